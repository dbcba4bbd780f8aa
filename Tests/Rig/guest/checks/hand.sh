# The moving hand.

# What the encoders' registers say, in radians: thumb, index, middle, ring, little.
plant-angles() {
  local zeros=(1200 5000 9000 15000) signs=(-1 1 1 1) angles=() joint bytes bent
  for joint in 0 1 2 3; do
    read -ra bytes <<<"$(registers "0x4$joint" 0xfe 2)"
    bent=$((((bytes[0] * 64 + bytes[1] - zeros[joint]) * signs[joint] + 32768) % 16384))
    angles+=("$bent/16384")
  done
  read -ra bytes <<<"$(registers 0x36 0x0c 2)"
  angles+=("$(((bytes[0] * 256 + bytes[1] - 700 + 4096) % 4096))/4096")
  # Parts of a turn; more than half of one is less than nothing.
  printf '%s\n' "${angles[@]}" | awk -F/ '
    {turns = $1 / $2; if (turns > 0.5) turns -= 1; printf "%s%.4f", (NR > 1 ? " " : ""), turns * 6.283185307}'
}

# stands-at DEGREES...: both the daemon and the encoders say so.
stands-at() {
  local angles
  # A twentieth of a radian: less than a tenth of the shortest way of any pose.
  angles=$(plant-angles)
  awk -v found="$angles" -v wanted="$*" 'BEGIN {
    split(found, f); n = split(wanted, w)
    for (i = 1; i <= n; i++) if ((d = f[i] - w[i] * 3.14159265 / 180) > 0.05 || d < -0.05) exit 1}' || return 1
  status | jq -e --arg wanted "$*" '
    [.joints[].position_radians] as $found | ($wanted | split(" ") | map(tonumber * 3.14159265 / 180)) as $goal |
    all(range($goal | length); ($found[.] - $goal[.]) | fabs < 0.05)' >/dev/null
}

# Or the hand has stopped and will not get there.
stands-or-stopped() {
  stands-at "$@" || ! { state-is armed || state-is tracking; }
}

check-grasp() {
  need-service
  arm
  local name degrees figures=()
  while read -r name degrees; do
    motorhand pose "$name" --seconds 3 >/dev/null || fail "pose $name was refused"
    # Words are wanted.
    # shellcheck disable=SC2086
    { await 25 stands-or-stopped $degrees && stands-at $degrees; } || fail "pose $name, $degrees degrees: encoders at $(plant-angles) rad, status $(
      status | jq -c '[.state, .fault, [.joints[].position_radians]]')"
    figures+=("$name")
  done <<'POSES'
power 60 72 72 72 72
precision 45 60 5.7 5.7 5.7
pointing 60 5.7 90 90 90
open 0 0 0 0 0
POSES
  echo "${figures[*]}; the encoders stand at $(plant-angles) rad"
}

check-pulses() {
  need-service
  arm
  local pose channel pulses bytes byte prescaler count nanoseconds compared=0
  prescaler=$(registers $PWM 0xfe 1)
  for pose in power pointing; do
    motorhand pose $pose --seconds 3 >/dev/null || fail "pose $pose was refused"
    await 15 state-is armed || state-is tracking || fail "state $(state), fault $(fault)"
    # All channels in one transfer, from one frame.
    pulses=$(registers $PWM 6 20)
    for channel in 0 1 2 3 4; do
      bytes=$(cut -d' ' -f$((4 * channel + 1))-$((4 * channel + 4)) <<<"$pulses")
      read -ra byte <<<"$bytes"
      count=$((byte[2] + 256 * byte[3]))
      # 0.6 to 2.4 ms of 20 ms.
      ((count >= 122 && count <= 492)) || fail "channel $channel: $count counts ($bytes) are no servo's pulse"
      # The longest duty that the driver rounds up to this count.
      nanoseconds=$((count * 20000000 / 4096))
      [[ "$bytes $prescaler" == "$(kernel-pulse $nanoseconds 20000000)" ]] ||
        fail "channel $channel, $nanoseconds ns: ours $bytes $prescaler, the kernel's $(kernel-pulse $nanoseconds 20000000)"
      compared=$((compared + 1))
    done
  done
  motorhand pose open --seconds 3 >/dev/null
  echo "$compared pulses and prescaler $prescaler as the kernel's driver writes them"
}

check-recording() {
  need-service
  local ticks missing
  await 20 eval 'unpack-newest && (($(query "select count(*) from tick") >= 100))' ||
    fail "fewer than 100 ticks recorded"
  ticks=$(query 'select count(*) from tick')
  missing=$(query 'select max(sequence) - min(sequence) + 1 - count(*) from tick')
  ((missing == 0)) || fail "$missing of $ticks ticks are missing: $(motorhand log verify "$DATA/$(status | jq -r .run_id)" 2>&1 | tr '\n' ';')"
  [[ $(status | jq '.recorder.dropped') == 0 ]] || fail "$(status | jq '.recorder.dropped') ticks dropped"
  echo "$ticks ticks, none missing"
}

check-clock() {
  need-service
  local run now shift ticks
  run=$(status | jq -r .run_id)
  arm
  now=$(date +%s)
  # An hour back, a year ahead, and where it was.
  for shift in -3600 31536000 0; do
    date -s "@$((now + shift))" >/dev/null
    ticks=$(status | jq .sequence)
    await 20 eval '(($(status | jq .sequence) > ticks + 100))' || fail "no more ticks after the clock moved by $shift s"
    state-is armed || fail "state $(state), fault $(fault) after the clock moved by $shift s"
  done
  motorhand disarm >/dev/null
  motorhand log verify "$DATA/$run" >/tmp/verified || fail "$(tail -n 4 /tmp/verified | paste -sd';')"
  [[ $(status | jq -r .run_id) == "$run" ]] || fail 'the daemon was started again'
  echo "an hour back, a year ahead and back again; $(tail -n 1 /tmp/verified)"
}

# record-aged DIRECTORY: a start of two seconds, which keeps recordings for a day; prints its folder.
record-aged() {
  local hand=/usr/share/motorhand before
  before=$(ls "$1")
  motorhandd --board $hand/Boards/sim.yaml --calibration $hand/Calibration/nominal-hand.yaml --socket "$1.sock" \
    --data "$1" --keep-days 1 --virtual --seconds 2 >/dev/null
  comm -13 <(echo "$before") <(ls "$1")
}

check-age() {
  local data now folder written
  data=$(mktemp -d)
  now=$(date +%s)
  times() { sqlite3 "$data/$1/segment-0001.sqlite" "select count(*) from meta where key in ('opened_at', 'closed_at')"; }
  # As at every start of a board without a clock.
  [[ $(times "$(record-aged "$data")") == 0 ]] || fail 'a segment notes a time that nobody knew'
  /payload/rig/rig-synced || fail 'the kernel does not take the clock for right'
  folder=$(record-aged "$data")
  [[ $(times "$folder") == 2 ]] || fail 'a segment notes no time, although it is known'
  # By hand, and so not believed.
  date -s "@$((now + 31536000))" >/dev/null
  record-aged "$data" >/dev/null
  [[ -e $data/$folder/segment-0001.sqlite ]] || fail 'a clock that was set ahead by hand cost a recording'
  /payload/rig/rig-synced || fail 'the kernel does not take the clock for right'
  record-aged "$data" >/dev/null
  [[ ! -e $data/$folder/segment-0001.sqlite ]] || fail 'a year later a recording to be kept for a day is there'
  written=$(find "$data" -name 'segment-*' | wc -l)
  ((written == 3)) || fail "$written segments are left of 4, of which 1 has an age that is known and too high"
  date -s "@$now" >/dev/null
  echo "set ahead a year by hand: 3 of 3 kept; by a time server: the one of known age deleted"
}

check-e-stop() {
  need-service
  echo pull-up >"$(sim-line E-STOP)/pull"
  arm
  local pulled seen tripped off late
  echo pull-down >"$(sim-line E-STOP)/pull"
  pulled=$(date +%s%N)
  await 10 state-is e-stop || fail "state $(state), expected e-stop"
  line-is DRIVE-ENABLE 0 || fail "the drive-enable line is live in e-stop"
  echo pull-up >"$(sim-line E-STOP)/pull"
  # The recorder commits in batches.
  await 20 eval 'unpack-newest && [[ -n $(query "select 1 from tick_named where state = '\''e-stop'\'' limit 1") ]]' ||
    fail "no tick in state e-stop was recorded"
  local since="sequence >= (select max(sequence) from tick_named where outputs_enabled = 1)"
  seen=$(query "select min(sequence) from tick where estop_line_active = 1 and $since")
  tripped=$(query "select min(sequence) from tick_named where state = 'e-stop' and $since")
  off=$(query "select min(sequence) from tick where outputs_enabled = 0 and $since")
  ((tripped - seen <= 1 && off - seen <= 1)) || fail "line seen at tick $seen, e-stop at $tripped, outputs off at $off"
  # Ticks that began with the line already pulled and still had live outputs.
  late=$(query "select count(*) from tick where wall_nanoseconds > $pulled and outputs_enabled = 1 and sequence <= $off")
  ((late <= 1)) || fail "$late ticks after the line was pulled still had live outputs"
  motorhand reset >/dev/null || fail "reset was refused with the line released"
  await 10 state-is idle || fail "state $(state) after reset, expected idle"
  echo "seen at tick $seen, tripped at $tripped, outputs off at $off; $late live ticks after the pull"
}

# The daemon lets its chips and lines go, and the stub has the contracts' addresses.
for-contracts() {
  [[ -x /payload/rig/rig-kernel ]] || fail "no rig-kernel: the program of Tests/Rig/Kernel was not built"
  if daemon-active; then systemctl stop motorhandd.service; fi
  ./hardware contract
}

check-drivers() {
  for-contracts
  ./rig-kernel drivers "$(stub-bus)"
}

check-lines() {
  for-contracts
  ./rig-kernel lines rig-lines SPARE "$(sim-line SPARE)"
}

check-sysfs-pwm() {
  for-contracts
  local chip device found
  # Binds the driver; its channel 0 would hold the chip to one period.
  kernel-pulse 0 20000000 >/dev/null
  chip=$(golden-pwm)
  echo 0 >"$chip/pwm0/enable"
  device=$(basename "$(realpath "$chip/device")")
  coproc RIG { ./rig-kernel pwm "$device" "$(stub-bus)" "${GOLDEN_PWM#0x}"; }
  local pid=$RIG_PID
  exec {answers}<&"${RIG[0]}" {orders}>&"${RIG[1]}"
  read -r -t 30 found <&$answers && [[ $found == 'pulse set' ]] || { wait "$pid" || true; fail "no pulse was set: $found"; }
  found=$(registers $GOLDEN_PWM 0x0a 4)
  [[ $found == '0x00 0x00 0x34 0x01' ]] || fail "1.5 ms of 20 ms: found $found, expected 0x00 0x00 0x34 0x01"
  echo >&$orders
  figures=$(cat <&$answers)
  wait "$pid" || fail "$figures"
  # OFF_H bit 4: full off.
  found=$(registers $GOLDEN_PWM 0x0d 1)
  ((found & 0x10)) || fail "after the owner's end: OFF_H is $found, expected full off"
  echo "$figures"
}
