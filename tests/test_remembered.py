"""The last few of what is dear to make: asked for again, they are not made again."""

from index.remembered import Remembered


def test_the_last_few_are_remembered() -> None:
    few = Remembered[int]("rankings", 2)
    for key in (1, 2, 1, 3):
        assert few.get(key, lambda made=key: made) == key  # type: ignore[misc]
    assert [few.find(key) for key in (1, 2, 3)] == [1, None, 3]
