"""Visitors: each has a view of their own, a secret name for it, and not for ever."""

from operator import is_
from typing import cast

import pytest

from demo.conftest import Clock
from demo.says import update
from polyloom.errors import InputError
from polyloom_demo.bridge import Gone
from polyloom_demo.kinds import made
from polyloom_demo.library import Library
from polyloom_demo.visitors import Full, Views
from polyloom_widgets import GenerationView, Mixer


def view(library: Library) -> GenerationView:
    widget = made("generate", 0, library)
    assert isinstance(widget, GenerationView)
    return widget


def test_nobody_moves_another_s_view(library: Library, views: Views) -> None:
    one, two = view(library), view(library)
    first, second = views.add(one), views.add(two)
    before = two.get_state()
    views[first].hear(
        [update(prompt="Another text", sampling={"temperature": 2, "seed": 7, "max_tokens": 9, "top_p": 1})]
    )
    assert one.prompt == "Another text"
    assert two.get_state() == before
    assert first != second
    assert min(len(first), len(second)) >= 24


def test_what_rested_long_is_put_away(library: Library, views: Views, clock: Clock) -> None:
    rested, touched = views.add(view(library)), views.add(view(library))
    widget = views[rested].widget
    clock.now = 60
    assert views[touched]
    clock.now = 101
    views.sweep()
    assert len(views) == 1
    assert widget.comm is None
    with pytest.raises(Gone, match="Reload the page"):
        views[rested]
    assert views[touched]


def test_the_one_that_rested_longest_makes_room_but_not_one_in_use(
    library: Library, views: Views, clock: Clock
) -> None:
    names = [views.add(view(library)) for _ in range(4)]
    with pytest.raises(Full, match="All 4 places are taken"):
        views.add(view(library))
    clock.now = 50
    for name in names[:3]:
        assert views[name]
    fifth = views.add(view(library))
    assert len(views) == 4
    with pytest.raises(Gone):
        views[names[3]]
    assert views[fifth]
    assert views[names[0]]


def test_one_may_take_more_places(library: Library, views: Views, clock: Clock) -> None:
    large = views.add(view(library), 3)
    small = views.add(view(library))
    with pytest.raises(Full):
        views.add(view(library))
    clock.now = 20
    assert views[small]
    assert views.add(view(library), 2)
    with pytest.raises(Gone):
        views[large]
    assert len(views) == 2
    with pytest.raises(Full):
        views.add(view(library), 4)
    assert views[small]


def test_a_view_goes_for_another_by_its_name_alone(library: Library, views: Views) -> None:
    name = views.add(view(library))
    other = views.add(view(library), instead="somebody else's")
    assert len(views) == 2
    views.add(view(library), instead=name)
    assert len(views) == 2
    with pytest.raises(Gone):
        views[name]
    assert views[other]


def test_who_has_a_place_may_use_it_though_the_house_is_full(library: Library, views: Views) -> None:
    first, *others = [views.add(view(library)) for _ in range(4)]
    second = views.add(view(library), instead=first)
    with pytest.raises(Full):
        views.add(view(library), 2, instead=second)
    assert all(views[name] for name in (second, *others))


def test_what_is_said_to_a_view_that_was_just_put_away_is_not_lost_in_silence(library: Library, views: Views) -> None:
    name = views.add(view(library))
    served = views[name]
    views.close()
    with pytest.raises(Gone, match="Reload the page"):
        served.hear([update(prompt="Another text")])


def test_at_the_end_all_are_closed(library: Library, views: Views) -> None:
    widgets = [view(library) for _ in range(3)]
    for widget in widgets:
        views.add(widget)
    views.close()
    assert len(views) == 0
    assert [widget.comm for widget in widgets] == [None] * 3


def test_examples_share_their_models(library: Library) -> None:
    library.weave()
    for kind in ("mix", "compose"):
        one, two = (cast("Mixer", made(kind, 0, library)) for _ in range(2))
        assert one is not two
        assert one.exact["perplexity"] == two.exact["perplexity"]
        assert all(map(is_, one.mix.models.values(), two.mix.models.values()))


STRANGE = [("sing", 0), (None, 0), (["mix"], 0), *(("mix", number) for number in (9, -1, "0", True, None))]


@pytest.mark.parametrize(("kind", "number"), STRANGE)
def test_what_there_is_no_example_of_is_refused(library: Library, kind: object, number: object) -> None:
    with pytest.raises(InputError, match="There is no"):
        made(kind, number, library)
