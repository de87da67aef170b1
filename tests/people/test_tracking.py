from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.people.fakes import person_at
from vitruvian.core.records import Frame, Person, Pose
from vitruvian.people.tracking import Follower, Tracker


def ids_of_walk(places_of_frame, rate=25.0, **options):
    """Runs the tracker over frames of places; returns the ids in the order of the places."""
    tracker = Tracker(**options)
    ids = []
    for i, places in enumerate(places_of_frame):
        people = [person_at(x, y) for x, y in places]
        numbered = tracker.update(people, i / rate)
        by_joints = {tuple(person.pose.joints[0]): person.id for person in numbered}
        ids.append([by_joints.get(tuple(person.pose.joints[0])) for person in people])
    return ids


@pytest.mark.parametrize("rate", [5, 25, 60])
def test_people_who_pass_each_other_keep_their_numbers(rate) -> None:
    count = round(3 * rate)
    # 60 pixels a second, four pixels apart in height where they meet: the boxes are nearly one.
    walk = [[(20 + 60 * i / rate, 60), (200 - 60 * i / rate, 64)] for i in range(count)]
    ids = ids_of_walk(walk, rate)
    assert ids[0] == [1, 2]
    assert ids[-1] == [1, 2]


def test_people_who_pass_each_other_with_noise_and_missed_frames() -> None:
    rng = np.random.default_rng(3)
    tracker = Tracker()
    for i in range(75):
        x = 20 + 2.4 * i
        people = [person_at(x, 60), person_at(200 - x, 66)]
        people = [
            replace(p, pose=Pose(p.pose.skeleton, p.pose.joints + noise(rng))) for p in people
        ]
        if 34 <= i <= 40:  # one hides the other
            people = people[:1]
        numbered = tracker.update(people, i / 25)
        if i >= 45:
            assert [person.id for person in numbered] == [1, 2]
            # The second came from the right.
            assert numbered[1].pose.joints[0, 0] < numbered[0].pose.joints[0, 0]


def noise(rng):
    joints = np.zeros((18, 3), np.float32)
    joints[:, :2] = rng.normal(0, 0.7, (18, 2))
    return joints


def test_lost_person_is_found_again_within_the_memory_and_not_after() -> None:
    tracker = Tracker(memory=1.0)
    first = tracker.update([person_at(50, 50)], 0.0)
    tracker.update([], 0.1)
    again = tracker.update([person_at(52, 50)], 0.9)
    tracker.update([], 1.0)
    late = tracker.update([person_at(52, 50)], 3.0)
    assert [first[0].id, again[0].id, late[0].id] == [1, 1, 2]


def test_walker_behind_a_pillar_is_found_where_the_walk_leads() -> None:
    tracker = Tracker()
    for i in range(25):
        tracker.update([person_at(20 + 4 * i, 60)], i / 25)
    # 0.6 s later, 60 pixels on: more than a body's width from where the person was last seen.
    assert tracker.update([person_at(20 + 4 * 24 + 50, 60)], 24 / 25 + 0.6)[0].id == 1


def test_numbers_are_never_used_twice_and_one_a_person_and_frame() -> None:
    rng = np.random.default_rng(0)
    tracker = Tracker(memory=0.2)
    seen: dict[int, int] = {}
    for i in range(200):
        people = [person_at(*rng.uniform(0, 600, 2)) for _ in range(rng.integers(0, 6))]
        numbers = [person.id for person in tracker.update(people, i / 25)]
        assert len(set(numbers)) == len(numbers) == len(people)
        assert numbers == sorted(numbers)
        for number in numbers:
            assert number >= 1
            assert i - seen.get(number, i) <= 6  # within the memory
            seen[number] = i


def test_crowd_of_sixty_keeps_its_numbers() -> None:
    rng = np.random.default_rng(1)
    starts = np.array([(x, y) for x in range(0, 600, 60) for y in range(0, 360, 60)], float)
    speeds = rng.normal(0, 15, starts.shape)
    walk = [(starts + speeds * i / 25).tolist() for i in range(50)]
    ids = ids_of_walk(walk)
    assert sorted(ids[0]) == list(range(1, 61))
    assert all(frame == ids[0] for frame in ids)


def test_weak_ghost_takes_no_number_but_a_weak_person_is_written_from_the_second_frame() -> None:
    tracker = Tracker()
    assert [p.id for p in tracker.update([person_at(50, 50)], 0.00)] == [1]
    ghost = person_at(300, 50, score=0.3)
    assert [p.id for p in tracker.update([person_at(50, 50), ghost], 0.04)] == [1]
    assert [p.id for p in tracker.update([person_at(50, 50)], 0.08)] == [1]
    weak = person_at(150, 50, score=0.3)
    tracker.update([person_at(50, 50), weak], 0.12)
    assert [p.id for p in tracker.update([person_at(50, 50), weak], 0.16)] == [1, 2]


def test_weak_detection_goes_on_with_a_track_after_the_sure_ones_chose() -> None:
    tracker = Tracker()
    tracker.update([person_at(50, 50), person_at(120, 50)], 0.0)
    numbered = tracker.update([person_at(51, 50, score=0.2), person_at(121, 50)], 0.04)
    assert [(p.id, round(p.score, 1)) for p in numbered] == [(1, 0.2), (2, 0.9)]


def test_everyone_of_the_first_frame_has_a_number() -> None:
    people = [person_at(50 * i, 50, score=0.1 * i) for i in range(1, 6)]
    assert sorted(p.id for p in Tracker().update(people, 7.5)) == [1, 2, 3, 4, 5]


def test_empty_frames_and_people_of_one_joint() -> None:
    tracker = Tracker()
    assert tracker.update([], 0.0) == ()
    joints = np.zeros((18, 3), np.float32)
    joints[4] = 33, 44, 0.8
    whole = person_at(0, 0)
    one = Person(0.9, np.array([33, 44, 33, 44], np.float32), Pose(whole.pose.skeleton, joints))
    other = np.zeros((18, 3), np.float32)
    other[9] = 33, 44, 0.8
    assert tracker.update([one], 0.0)[0].id == 1
    # Even with the same time twice, and with no joint in common.
    tracker.update([replace(one, pose=Pose(whole.pose.skeleton, other))], 0.0)
    assert tracker.update([one], 0.04)[0].id == 1


def test_same_detections_give_the_same_numbers() -> None:
    def run() -> list[list[int]]:
        rng = np.random.default_rng(5)
        follower = Follower()
        ids = []
        for i in range(60):
            people = tuple(
                person_at(*rng.uniform(0, 300, 2), score=float(rng.uniform(0.1, 1)))
                for _ in range(4)
            )
            frame = follower.follow(Frame("a", i, i / 25, 320, 240, people))
            ids.append([person.id for person in frame])
        return ids

    assert run() == run()
