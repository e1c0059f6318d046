"""The roofline in four lines: how long at least, and which limit binds."""

from labkit.exercises import Case, Exercise, Misconception, register


def binding_limit(flops, moved, peak, bandwidth):
    """Shortest time in seconds, and which limit sets it: "compute" or "bandwidth" ("compute" where both do)."""
    arithmetic = flops / peak
    transfer = moved / bandwidth
    if arithmetic >= transfer:
        return arithmetic, "compute"
    return transfer, "bandwidth"


def _by_intensity(flops, moved, peak, bandwidth):
    attainable = min(peak, bandwidth * flops / moved)
    return flops / attainable, "bandwidth" if flops / moved < peak / bandwidth else "compute"


def _by_sorting(flops, moved, peak, bandwidth):
    times = [("compute", flops / peak), ("bandwidth", moved / bandwidth)]
    name, seconds = max(times, key=lambda pair: pair[1])
    return [seconds, name]


def _one_after_the_other(flops, moved, peak, bandwidth):
    return flops / peak + moved / bandwidth, binding_limit(flops, moved, peak, bandwidth)[1]


def _the_shorter_time(flops, moved, peak, bandwidth):
    return min(flops / peak, moved / bandwidth), binding_limit(flops, moved, peak, bandwidth)[1]


def _the_shorter_with_its_name(flops, moved, peak, bandwidth):
    return min((flops / peak, "compute"), (moved / bandwidth, "bandwidth"), key=lambda pair: pair[0])


def _speed_not_time(flops, moved, peak, bandwidth):
    return min(peak, bandwidth * flops / moved), binding_limit(flops, moved, peak, bandwidth)[1]


def _transfer_only(flops, moved, peak, bandwidth):
    return moved / bandwidth, "bandwidth"


def _arithmetic_only(flops, moved, peak, bandwidth):
    return flops / peak, "compute"


def _wrong_side_of_the_ridge(flops, moved, peak, bandwidth):
    seconds, bound = binding_limit(flops, moved, peak, bandwidth)
    return seconds, "bandwidth" if bound == "compute" else "compute"


def _bits_for_bytes(flops, moved, peak, bandwidth):
    return binding_limit(flops, 8 * moved, peak, bandwidth)


register(
    Exercise(
        id="hardware.binding_limit",
        lesson="01_hardware_limits",
        title="Which limit binds?",
        difficulty=2,
        minutes=8,
        question="Give the shortest possible time in seconds, and 'compute' or 'bandwidth', for `flops` "
        "operations and `moved` bytes on a device with `peak` operations and `bandwidth` bytes a "
        "second.",
        reference=binding_limit,
        public=(
            Case(args=(200.0, 100.0, 100.0, 10.0), note="2 FLOP a byte; the ridge is at 10"),
            Case(args=(5000.0, 100.0, 100.0, 10.0), note="50 FLOP a byte"),
            Case(args=(1000.0, 100.0, 100.0, 10.0), note="at the ridge both take as long: say compute"),
        ),
        hidden=lambda rng: tuple(
            Case(
                args=(
                    float(peak * seconds * share),
                    float(bandwidth * seconds),
                    float(peak),
                    float(bandwidth),
                )
            )
            for peak, bandwidth, seconds, share in zip(
                10 ** rng.uniform(10, 14, 6),
                10 ** rng.uniform(9, 12, 6),
                10 ** rng.uniform(-4, 0, 6),
                (0.01, 0.5, 0.9, 1.5, 6.0, 100.0),
                strict=True,
            )
        ),
        misconceptions=(
            Misconception(
                name="one after the other",
                answer=_one_after_the_other,
                hint="You added both times. A processor loads the next bytes while it computes on the last"
                " ones, so the two go on together.",
            ),
            Misconception(
                name="the shorter time",
                answer=_the_shorter_time,
                hint="You gave the time of what is done first. The work is done when both are.",
            ),
            Misconception(
                name="the shorter time with its name",
                answer=_the_shorter_with_its_name,
                hint="You took the shorter of two times, and the limit that belongs to it. Is everything done "
                "when the quicker of the two is?",
            ),
            Misconception(
                name="speed instead of time",
                answer=_speed_not_time,
                hint="The limit is right. Your number is the speed that the roof allows, in operations a second; "
                "asked is how long these operations take at that speed.",
            ),
            Misconception(
                name="transfer only",
                answer=_transfer_only,
                hint="You divided by the bandwidth alone. What if there is more to compute than that time allows?",
            ),
            Misconception(
                name="arithmetic only",
                answer=_arithmetic_only,
                hint="You divided by the peak alone. What if the bytes arrive more slowly than that?",
            ),
            Misconception(
                name="the wrong side of the ridge",
                answer=_wrong_side_of_the_ridge,
                hint="The time is right and its reason is not. The limit that binds is the one that takes longer.",
            ),
            Misconception(
                name="bits for bytes",
                answer=_bits_for_bytes,
                hint="Your transfer takes eight times too long. Memory bandwidth is in bytes a second.",
            ),
        ),
        alternatives=(_by_intensity, _by_sorting),
        hints=(
            "How long would the arithmetic take alone? How long the transfer?",
            "Both go on at the same time. When is the whole finished?",
            "Compare flops / peak with moved / bandwidth: the longer one is the time, and its name is the answer.",
        ),
    )
)
