"""Values that no option and no file expects: texts, numbers, JSON."""

from typing import Any

from hypothesis import strategies as st

TEXTS = (
    "", " ", ".", "..", "/", "-", "--", "-1", "0", "nan", "inf", "-inf", "1e400", "1e999999999%", "9" * 30, "9" * 5000, "0x10",
    "1_000", "٣", "½", "[/x]", "[bold]", "[x", "$x_$", r"\frac", "<script>alert(1)</script>", "&amp;", "%s%n", "{0}", "{x!r}",
    "a\nb", "a\tb", "a\x1b[31mb", "\udcff", "\u202e", "é" * 130, "x" * 300, "x" * 5000, "../../x", "/proc/x", "/dev/null",
    "/dev/full", "/etc/passwd", "~", "hf-hub:timm/resnet18", "https://127.0.0.1/x", "local-dir:/etc", "resnet18.nosuch", "con",
    "tiny_vit_1m_32 ", "TINY_VIT_1M_32", "digits:", "folder:", "folder:/nonexistent", "torch/", "torch/cifar10:/nonexistent",
    "hfds/x:/nonexistent", "wds/x:/x", "sqlite://", "sqlite:///", "sqlite:////nonexistent/x.db", "postgresql://u:secret@127.0.0.1:1/x",
    "None", "null", "true", "[]", "{}", "'", '"', "\\", "a/b", "a\\b", "*", "?",
)  # fmt: skip
NUMBERS = (0, -1, 1, 2, 3, 7, 10**6 + 1, 2**31, 2**63, 2**64, 10**30, 10**400, -(10**30))
FLOATS = (0.0, -0.0, 0.1, 1e-320, 1e308, float("inf"), float("-inf"), float("nan"), 0.5)
NESTED = 2_000  # lists within lists

texts = st.sampled_from(TEXTS) | st.text(max_size=30).filter(lambda text: "\0" not in text)
numbers = st.sampled_from(NUMBERS) | st.integers(-5, 300)
floats = st.sampled_from(FLOATS) | st.floats()


def nested(levels: int) -> Any:
    """Return 1 in so many lists."""
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


leaves = st.none() | st.booleans() | numbers | floats | texts.filter(lambda text: text.isprintable())
documents = st.recursive(
    leaves | st.just(nested(200)),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(texts.filter(str.isprintable), inner, max_size=4),
    max_leaves=12,
)
