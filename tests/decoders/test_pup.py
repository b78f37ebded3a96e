import torch
import torch.nn.functional as F

from segtutor.decoders import PUPDecoder, enlarge, pup_auxiliary
from tests.decoders.test_decoders import encoded


def test_every_stage_doubles_but_the_last():
    decoder, sides = PUPDecoder(width=12, classes=7, hidden=8).eval(), []
    for stage in decoder.stages:
        stage.register_forward_hook(lambda m, a, out: sides.append(tuple(out.shape[1:])))
    assert decoder(encoded()).shape == (2, 7, 24, 40)
    assert sides == [(8, 6, 10), (8, 12, 20), (8, 24, 40), (8, 24, 40)]


def test_first_stage_reads_normalised_patches_in_place():
    decoder, e = PUPDecoder(width=12, classes=7, hidden=8).eval(), encoded()
    seen = {}
    decoder.stages[0].conv.register_forward_hook(lambda m, a, out: seen.update(x=a[0]))
    decoder(e)
    wanted = F.layer_norm(e.tokens[:, 1 + 2 * 5 + 3], (12,), eps=1e-6)  # row 2, column 3
    torch.testing.assert_close(seen["x"][:, :, 2, 3], wanted)


def test_last_doubling_before_or_after_the_classifier_is_the_same():
    """The paper draws it before, the code puts it after; no number changes."""
    decoder, e = PUPDecoder(width=12, classes=7, hidden=8).eval(), encoded()
    seen = {}
    decoder.stages[-1].register_forward_hook(lambda m, a, out: seen.update(x=out))
    after = enlarge(decoder(e), 2)
    before = decoder.classify(enlarge(seen["x"], 2))
    torch.testing.assert_close(after, before, atol=1e-5, rtol=1e-5)


def test_auxiliary_head_is_one_stage_that_grows_by_four():
    head, e = pup_auxiliary(width=12, classes=7, layer=1, hidden=8).eval(), encoded()
    assert head.layers == (1,) and len(head.stages) == 1
    assert head(e).shape == (2, 7, 12, 20)
    e.tokens.zero_()
    seen = head(e)
    e.layers[1].zero_()
    assert not torch.equal(head(e), seen)  # it reads block 1, not the last output
