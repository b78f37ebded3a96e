import torch

from segtutor.evaluation import predict_windows, sliding_window
from segtutor.models import segmenter_mask


def test_answers_are_those_of_averaged_logits():
    model = segmenter_mask(9, (32, 2, 2), image=(32, 48), decoder_heads=2).eval().double()
    for size in ((32, 48), (50, 80), (33, 120), (20, 60)):  # the last is enlarged to the window
        image = torch.randn(1, 3, *size, dtype=torch.float64)
        wanted = sliding_window(model, image, (32, 48), (16, 40)).argmax(1)
        got = predict_windows(model, image, (32, 48), (16, 40), batch=3)
        assert torch.equal(got, wanted), size
