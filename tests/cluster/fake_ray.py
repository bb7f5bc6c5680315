"""Ray, played in this process: what a crew asks of it, with workers that do what a test wants."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass(eq=False)
class Actor:
    """A worker.

    Attributes:
        inside: what it does: ``prepare``, ``answer`` and ``carry_out``. Where this raises ``RayActorError``, it dies.
        alive: until it is killed.
    """

    inside: Any
    alive: bool = True

    def __getattr__(self, name: str) -> "Method":
        return Method(self, name)


@dataclass(frozen=True)
class Method:
    actor: Actor
    name: str

    def remote(self, *arguments: Any) -> "Call":
        return Call(self.actor, self.name, arguments)


@dataclass(eq=False)
class Call:
    """Is made when it is waited for."""

    actor: Actor
    name: str
    arguments: tuple[Any, ...]

    @property
    def over(self) -> bool:
        return not self.actor.alive or not getattr(self.actor.inside, f"{self.name}_is_endless", False)


@dataclass
class FakeRay:
    """In place of the module.

    Attributes:
        make: what a worker does, by its number.
        actors: all that were started.
        processors: that are free in the beginning.
        now: its clock, in seconds: they pass while a call without end is waited for.
        most: calls that a worker had at a time.
    """

    make: Callable[[int], Any]
    actors: list[Actor] = field(default_factory=list)
    processors: int = 2
    now: float = 0.0
    most: int = 0

    def available_resources(self) -> dict[str, float]:
        return {"CPU": float(self.processors)}

    def remote(self, **_: Any) -> Callable[[type], "_Kind"]:
        return lambda _: _Kind(self)

    def wait(self, calls: list[Call], timeout: float) -> tuple[list[Call], list[Call]]:
        self.most = max(self.most, *Counter(call.actor for call in calls).values())
        done = [call for call in calls if call.over][:1]
        if not done:
            self.now += timeout
        return done, [call for call in calls if call not in done]

    def get(self, call: Call, timeout: float | None = None) -> Any:
        from ray.exceptions import RayActorError

        if not call.actor.alive:
            raise RayActorError
        try:
            return getattr(call.actor.inside, call.name)(*call.arguments)
        except RayActorError:
            call.actor.alive = False
            raise

    def kill(self, actor: Actor) -> None:
        actor.alive = False


@dataclass
class _Kind:
    ray: FakeRay

    def remote(self, _: object) -> Actor:
        self.ray.actors.append(Actor(self.ray.make(len(self.ray.actors))))
        return self.ray.actors[-1]
