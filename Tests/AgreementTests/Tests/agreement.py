#!/usr/bin/env python3
"""Checks certificates of `certificate-samples` (JSON lines, file given) with SciPy, from the equations of
docs/control.md alone. Prints what it counted as JSON; exits 1 with a line for each disagreement."""

import json
import sys

import numpy as np
from scipy.linalg import eigh, expm, solve_discrete_lyapunov

TOLERANCE = 1e-9  # relative, of L
# A norm may exist and not be found where Re(1 + G) is this close to 0: it would be too ill-conditioned to verify.
RESERVE = 0.01


def hold(inertia, damping, stiffness, dt):
    generator = np.zeros((3, 3))
    generator[0, 1] = 1
    generator[1] = [-stiffness / inertia, -damping / inertia, 1 / inertia]
    held = expm(generator * dt)
    return held[:2, :2], held[:2, 2]


def tick(m, slope, dt):
    """A(s, dt)."""
    queue = m["delay"]
    free, held = hold(m["J"], m["b"], m["k"], dt)
    n = 3 + queue
    gains = np.array([m["kp"], m["kd"], m["km"]])
    phi = np.exp(-m["lambda"] * dt)
    gain = -np.expm1(-m["lambda"] * dt) / m["lambda"]
    nominal_gain = -np.expm1(-m["lambda"] * m["T"]) / m["lambda"]
    a = np.zeros((n, n))
    a[:2, :2] = free
    a[2, 0] = gain
    a[2, 2] = phi
    a[2, :3] -= m["h"] * gain / nominal_gain * (1 - slope) * gains
    decided = np.zeros(n)
    decided[:3] = -slope * gains
    inputs = [decided]  # decided 0, 1 … ticks ago
    for ago in range(1, queue + 1):
        inputs.append(np.eye(n)[3 + queue - ago])
    a[:2] += np.outer(held, inputs[queue])
    if queue:
        for i in range(3, n - 1):
            a[i, i + 1] = 1
        a[n - 1] = decided
    return a


def observed_tick(m, slope, inertia, damping, dt, delay, age):
    """The same with the law on the estimates of an observer: states q, w, -m, pending torques, the errors of the
    estimated angle and velocity, the estimated load; each row a linear function of them."""
    queue, states = m["delay"], len(m["diagonal"][0]) if "diagonal" in m else 3 + m["delay"] + 2 + (
        m["observer"][0][2] != 0)
    unit = np.eye(states)
    gains = np.array(m["observer"][0][:3])
    latency = m["observer"][0][3]
    error = 3 + queue
    seen = np.array([unit[0] - unit[error], unit[1] - unit[error + 1]])
    load = unit[error + 2] if states > error + 2 else np.zeros(states)
    demand = m["kp"] * seen[0] + m["kd"] * seen[1] + m["km"] * unit[2]
    inputs = [-slope * demand] + [unit[3 + queue - ago] for ago in range(1, queue + 1)]
    gain = -np.expm1(-m["lambda"] * dt) / m["lambda"]
    nominal_gain = -np.expm1(-m["lambda"] * m["T"]) / m["lambda"]
    memory = (np.exp(-m["lambda"] * dt) * unit[2] + gain * seen[0]
              - m["h"] * gain / nominal_gain * (1 - slope) * demand)

    def split(periods):
        ticks = min(int(periods), max(queue - 1, 0))
        return ticks, periods - ticks

    def move(state, torque, time, inertia, damping):
        free, held = hold(inertia, damping, m["k"], time)
        return free @ state + np.outer(held, torque)

    def truth(time):
        ticks, share = split(delay)
        early = min(share * dt, time)
        state = unit[:2]
        if early > 0:
            state = move(state, inputs[ticks + 1], early, inertia, damping)
        return move(state, inputs[ticks], time - early, inertia, damping)

    ticks, share = split(latency)
    mean = (1 - share) * inputs[ticks] + (share * inputs[ticks + 1] if share > 0 else 0)
    after, sampled = truth(dt), truth((1 - age) * dt)
    innovation = sampled[0] - move(seen, mean + load, (1 - age) * dt, m["J"], m["b"])[0]
    predicted = move(seen, mean + load, dt, m["J"], m["b"])
    free, held = hold(m["J"], m["b"], m["k"], age * dt)
    estimate = predicted + np.outer(free @ gains[:2] + held * gains[2], innovation)
    rows = [after[0], after[1], memory]
    rows += [inputs[queue - 1 - k] for k in range(queue)]
    rows += [after[0] - estimate[0], after[1] - estimate[1], load + gains[2] * innovation]
    return np.array(rows[:states])


def norm(m):
    """P in units in which its diagonal is 1, and those units."""
    return np.array(m["correlation"]), np.sqrt(np.array(m["diagonal"][0]))


def lipschitz(p, units, a):
    scaled = units[:, None] * a / units[None, :]
    return np.sqrt(eigh(scaled.T @ p @ scaled, p, eigvals_only=True)[-1])


def circle(m, dt):
    """min over the unit circle of Re(1 + G) for A(s) = A(1) − (1 − s) b cᵀ: by the Kalman-Yakubovich-Popov lemma one
    norm covers all slopes from 0 to 1 exactly when it is positive. A joint without spring has a zero at z = 1,
    which is divided out."""
    one = tick(m, 1, dt)
    n = len(one)
    c = np.zeros(n)
    c[:3] = [m["kp"], m["kd"], m["km"]]
    c /= np.linalg.norm(c)
    b = (one - tick(m, 0, dt)) @ c
    values, vectors = np.linalg.eig(one)
    left = (c @ vectors)
    right = np.linalg.solve(vectors, b)
    theta = np.logspace(-4, np.log10(np.pi), 4000)
    z = np.exp(1j * theta)
    real = 1 + ((left * right)[None, :] / (z[:, None] - values[None, :])).sum(axis=1).real
    if m["k"] == 0:
        real = real / np.minimum(1, (theta / (5 * dt)) ** 2)
    return real.min()


def radius(a):
    return np.abs(np.linalg.eigvals(a)).max()


def check(m, complain):
    if m["result"] == "unstable":
        if "inertiaShare" in m:
            found = radius(observed_tick(m, 1, *m["points"][0]))
        else:
            found = radius(tick(m, 1, m["T"]))
        if found < 1 - 1e-12:
            complain("refused as unstable, but the spectral radius is %.15g" % found)
        return
    if m["result"] == "unprovable":
        if "inertiaShare" in m:
            return
        ticks = (0.8, 1, 1.2)
        reserve = min(circle(m, share * m["T"]) for share in ticks)
        if reserve > RESERVE:
            complain("refused as unprovable, but Re(1 + G) >= %.3g at every dt asked for" % reserve)
        return
    if m["result"] != "certified":
        complain("result " + m["result"])
        return
    p, units = norm(m)
    if not np.all(np.linalg.eigvalsh(p) > 0):
        complain("P is not positive definite")
        return
    if "inertiaShare" in m:
        for inertia, damping, dt, delay, age, slope, table in m["points"]:
            found = lipschitz(p, units, observed_tick(m, slope, inertia, damping, dt, delay, age))
            if not found <= min(table, 1) * (1 + TOLERANCE):
                complain("L %.15g above the table's %.15g at J %g b %g dt %g delay %g age %g s %g"
                         % (found, table, inertia, damping, dt, delay, age, slope))
        return
    for dt, slope, exact, table in m["points"]:
        found = lipschitz(p, units, tick(m, slope, dt))
        if abs(found - exact) > TOLERANCE * found:
            complain("L %.15g, SciPy %.15g at dt %g s %g" % (exact, found, dt, slope))
        if found > table * (1 + TOLERANCE):
            complain("table %.15g below SciPy's %.15g at dt %g s %g" % (table, found, dt, slope))
    # P is the one solution of the Lyapunov equation of what it loses in a tick.
    a = units[:, None] * tick(m, 1, m["T"]) / units[None, :]
    lost = p - a.T @ p @ a
    solved = solve_discrete_lyapunov(a.T, lost)
    if not np.allclose(solved, p, rtol=0, atol=1e-6):
        complain("P misses the Lyapunov equation by %.3g" % np.abs(solved - p).max())
    if circle(m, m["T"]) < -1e-6 and m["L0"] <= 1:
        complain("certified for all slopes, which the circle criterion excludes")


def coupled_tick(m, slopes, dt):
    """A(s, dt) of joints that pull at each other: one plant, each joint's own law; states joint by joint."""
    k, count = np.array(m["K"]), len(m["joints"])
    generator = np.zeros((3 * count, 3 * count))  # q, w, u
    for i, joint in enumerate(m["joints"]):
        generator[i, count + i] = 1
        generator[count + i, :count] = -k[i] / joint[0]
        generator[count + i, count + i] = -joint[1] / joint[0]
        generator[count + i, 2 * count + i] = 1 / joint[0]
    held = expm(generator * dt)
    size = 3 + int(m["joints"][0][6])
    a = np.zeros((count * size, count * size))
    phi = np.exp(-m["lambda"] * dt)
    gain = -np.expm1(-m["lambda"] * dt) / m["lambda"]
    nominal_gain = -np.expm1(-m["lambda"] * m["T"]) / m["lambda"]
    for j, joint in enumerate(m["joints"]):
        gains, h, o = np.array(joint[2:5]), joint[5], j * size
        for i in range(count):
            for row in range(2):
                a[i * size + row, o] += held[row * count + i, j]
                a[i * size + row, o + 1] += held[row * count + i, count + j]
        decided = np.zeros(count * size)
        decided[o:o + 3] = -slopes[j] * gains
        now = np.eye(count * size)[o + 3] if size > 3 else decided
        for i in range(count):
            for row in range(2):
                a[i * size + row] += held[row * count + i, 2 * count + j] * now
        if size > 3:
            a[o + 3] = decided
        a[o + 2, o] = gain
        a[o + 2, o + 2] = phi
        a[o + 2, o:o + 3] -= h * gain / nominal_gain * (1 - slopes[j]) * gains
    return a


def check_coupled(m, complain):
    ones = [1] * len(m["joints"])
    whole = radius(coupled_tick(m, ones, m["T"]))
    if m["result"] == "unstable":
        if whole < 1 - 1e-12:
            complain("refused as unstable, but the spectral radius is %.15g" % whole)
        return
    if m["result"] == "unprovable":
        return
    if m["result"] != "certified":
        complain("result " + m["result"])
        return
    p = np.array(m["P"])
    units = np.sqrt(np.diag(p))
    p = p / units[:, None] / units[None, :]
    found = lipschitz(p, units, coupled_tick(m, ones, m["T"]))
    # What rounding in the verification needs is added to the bound.
    if not found - TOLERANCE <= m["L1"] <= found + 1e-7:
        complain("L %.15g, SciPy %.15g" % (m["L1"], found))
    if m["L1"] < whole - 1e-12:
        complain("L %.15g below the spectral radius %.15g" % (m["L1"], whole))
    if m["rests"] and m["L0"] != 1:
        complain("a finger that rests has L(0) = %.15g" % m["L0"])
    for dt, *slopes, table in m["points"]:
        found = lipschitz(p, units, coupled_tick(m, slopes, dt))
        if found > table * (1 + TOLERANCE):
            complain("table %.15g below SciPy's %.15g at dt %g s %s" % (table, found, dt, slopes))


def main():
    counts, failures = {}, 0
    for number, line in enumerate(open(sys.argv[1])):
        m = json.loads(line)
        counts[m["result"]] = counts.get(m["result"], 0) + 1
        said = []
        (check_coupled if "K" in m else check)(m, said.append)
        for text in said[:3]:
            print("joint %d: %s: %s" % (number, text, line.strip()[:300]), file=sys.stderr)
        failures += bool(said)
    counts["failures"] = failures
    print(json.dumps(counts))
    sys.exit(failures > 0)


main()
