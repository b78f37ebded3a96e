import pytest
import torch

from segtutor.decoders import LinearDecoder, NaiveDecoder
from segtutor.tokens import Encoded


def encoded(width: int = 12, grid=(3, 5), extra: int = 1) -> Encoded:
    tokens = torch.randn(2, extra + grid[0] * grid[1], width)
    return Encoded(tokens=tokens, grid=grid, extra=extra, layers={1: torch.randn_like(tokens)})


@pytest.mark.parametrize("extra", [0, 1, 2])
def test_linear_decoder_is_one_product_per_patch(extra):
    decoder, e = LinearDecoder(width=12, classes=7), encoded(extra=extra)
    scores = decoder(e)
    assert scores.shape == (2, 7, 3, 5)
    place = e.tokens[:, extra + 2 * 5 + 3]  # row 2, column 3
    torch.testing.assert_close(
        scores[:, :, 2, 3], place @ decoder.head.weight.T + decoder.head.bias
    )


def test_naive_decoder_from_the_definition():
    decoder, e = NaiveDecoder(width=12, classes=7, hidden=8).eval(), encoded()
    decoder.bn.running_mean.normal_()
    decoder.bn.running_var.uniform_(0.5, 2)
    scores = decoder(e)
    assert scores.shape == (2, 7, 3, 5)
    x = torch.nn.functional.layer_norm(e.tokens[:, 1 + 2 * 5 + 3], (12,), eps=1e-6)
    x = x @ decoder.mix.weight[:, :, 0, 0].T + decoder.mix.bias
    x = (x - decoder.bn.running_mean) / (decoder.bn.running_var + 1e-5).sqrt()
    x = x.relu() @ decoder.classify.weight[:, :, 0, 0].T + decoder.classify.bias
    torch.testing.assert_close(scores[:, :, 2, 3], x, atol=1e-5, rtol=1e-4)


def test_naive_decoder_reads_the_block_it_was_told():
    decoder, e = NaiveDecoder(width=12, classes=7, layer=1).eval(), encoded()
    assert decoder.layers == (1,)
    other = Encoded(tokens=torch.zeros_like(e.tokens), grid=e.grid, extra=1, layers=e.layers)
    assert torch.equal(decoder(e), decoder(other))
