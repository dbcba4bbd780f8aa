"""Compares what two trees say of the same runs (Scripts/same-as-before).

compare.py ticks BEFORE.csv AFTER.csv       exports of two recordings, tick for tick
compare.py episodes BEFORE.json AFTER.json  reports of two fault campaigns

Exits 1 with the first difference. Only what the file `names` allows may have another name or be absent.
"""
import csv
import decimal
import json
import pathlib
import sys


class Names:
    """What has another name in the tree after."""

    def __init__(self, text):
        self.columns = {}  # name before -> names after
        self.absent = set()  # 0 before may be empty after
        self.ignored = set()  # not of the hand: never the same twice
        self.rounded = {}  # name before -> decimals that are kept now
        self.words = {}  # value before -> values after
        for line in text.splitlines():
            line = line.partition("#")[0].strip()
            if not line:
                continue
            kind, _, rest = line.partition(" ")
            before, _, after = (part.strip() for part in rest.partition("="))
            if kind == "column":
                self.columns[before] = after.split()
            elif kind == "absent":
                self.absent.add(before)
            elif kind == "ignored":
                self.ignored.add(before)
            elif kind == "rounded":
                self.rounded[before] = int(after)
            elif kind == "word":
                self.words.setdefault(before, []).append(after)
            else:
                sys.exit(f"names: {kind}: expected column, absent, ignored, rounded or word")

    def same(self, before, after):
        return before == after or after in self.words.get(before, [])


def bare(header):
    """A column's name without its unit."""
    return header.partition(" [")[0]


class Quantity:
    """A column before, and the columns after that hold the same quantity: of a motor one, of a servo the other."""

    def __init__(self, name, column, after, names):
        joint, dot, own = name.rpartition(".")
        self.name = name
        self.before = column
        self.absent = own in names.absent
        self.decimals = names.rounded.get(own)
        candidates = [own] + names.columns.get(own, [])
        self.after = [after[joint + dot + candidate] for candidate in candidates if joint + dot + candidate in after]

    def value(self, row):
        values = [row[column] for column in self.after if row[column] != ""]
        return values[0] if len(values) == 1 else "" if not values else " and ".join(values)


def zero(text):
    try:
        return float(text) == 0
    except ValueError:
        return False


def rounds_to(was, now, decimals):
    """Whether a number is another with fewer decimals: half a step apart, and the rounding of the longer one."""
    try:
        was, now = decimal.Decimal(was), decimal.Decimal(now)
    except decimal.InvalidOperation:
        return False
    step = decimal.Decimal(1).scaleb(-decimals)
    return abs(was - now) <= step / 2 + abs(decimal.Decimal(1).scaleb(was.as_tuple().exponent)) / 2


def ticks(before_path, after_path, names):
    with open(before_path, newline="") as before_file, open(after_path, newline="") as after_file:
        before, after = csv.reader(before_file), csv.reader(after_file)
        columns = {bare(header): index for index, header in enumerate(next(after, []))}
        quantities = []
        for index, header in enumerate(next(before, [])):
            name = bare(header)
            if name.rpartition(".")[2] in names.ignored:
                continue
            quantity = Quantity(name, index, columns, names)
            if not quantity.after:
                sys.exit(f"  {name}: not in the tree after, under no name that Tests/SameAsBefore/names has")
            quantities.append(quantity)
        count, nulls = 0, set()
        for old in before:
            new = next(after, None)
            if new is None:
                sys.exit(f"  the tree after ends before tick {old[0]}")
            for quantity in quantities:
                was, now = old[quantity.before], quantity.value(new)
                if names.same(was, now):
                    continue
                if quantity.decimals is not None and rounds_to(was, now, quantity.decimals):
                    continue
                if quantity.absent and now == "" and zero(was):
                    nulls.add(quantity.name)
                    continue
                sys.exit(f"  different at tick {old[0]}: {quantity.name} was {was or 'absent'}, is {now or 'absent'}")
            count += 1
        extra = next(after, None)
        if extra is not None:
            sys.exit(f"  the tree after has a tick {extra[0]} more")
        if count == 0:
            sys.exit("  no ticks to compare")
        print(f"  {count} ticks of {len(quantities)} quantities, identical")
        if nulls:
            print(f"  absent now where 0 stood before: {', '.join(sorted(nulls))}")


def difference(before, after, path, names):
    """The first difference of two values of a report, in words; None where there is none."""
    if isinstance(before, dict) and isinstance(after, dict):
        # Keys may be words: the causes of a class of faults.
        before = {next((word for word in [key, *names.words.get(key, [])] if word in after), key): value
                  for key, value in before.items()}
        for key in sorted(before.keys() | after.keys()):
            if key not in before or key not in after:
                return f"{path}.{key}: only {'before' if key in before else 'after'}"
            found = difference(before[key], after[key], f"{path}.{key}", names)
            if found:
                return found
        return None
    if isinstance(before, list) and isinstance(after, list):
        if len(before) != len(after):
            return f"{path}: were {len(before)}, are {len(after)}"
        for index, pair in enumerate(zip(before, after)):
            found = difference(*pair, f"{path}[{index}]", names)
            if found:
                return found
        return None
    if type(before) is type(after) and (before == after or isinstance(before, str) and names.same(before, after)):
        return None
    return f"{path}: was {before!r}, is {after!r}"


def episodes(before_path, after_path, names):
    with open(before_path) as before, open(after_path) as after:
        first, second = json.load(before), json.load(after)
    found = difference(first, second, "report", names)
    if found:
        sys.exit(f"  different: {found}")
    if not first["classes"]:
        sys.exit("  no episodes to compare")
    print(f"faults:\n  {first['episodes']} episodes of {len(first['classes'])} classes, identical")


if __name__ == "__main__":
    if len(sys.argv) != 4 or sys.argv[1] not in ("ticks", "episodes"):
        print(__doc__, file=sys.stderr)
        sys.exit(64)
    table = Names((pathlib.Path(__file__).parent / "names").read_text())
    {"ticks": ticks, "episodes": episodes}[sys.argv[1]](sys.argv[2], sys.argv[3], table)
