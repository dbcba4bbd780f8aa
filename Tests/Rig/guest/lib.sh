# What the checks share.

SIM=/sys/kernel/config/gpio-sim/rig
LINES_OF_SIM=(DRIVE-ENABLE E-STOP SPARE)
PWM=0x60
GOLDEN_PWM=0x61
# Of Tests/DeviceContracts.
CONTRACT_CHIPS=0x06,0x36,0x40,0x41,0x44,0x48,0x4a,0x61,0x68,0x71
SOCKET=/run/motorhand/control.sock
DATA=/var/lib/motorhand
BOARD=/etc/motorhand/board.yaml
CALIBRATION=/etc/motorhand/calibration.yaml

fail() {
  echo "$*" >&2
  exit 1
}

# await SECONDS COMMAND...: waits until the command succeeds.
await() {
  local end=$((SECONDS + $1))
  shift
  until "$@"; do
    ((SECONDS <= end)) || return 1
    sleep 0.1
  done
}

# The device of the stub's adapter, by its name.
stub-bus() {
  local name
  for name in /sys/class/i2c-dev/*/name; do
    if [[ $(<"$name") == 'SMBus stub driver' ]]; then
      echo "/dev/$(basename "$(dirname "$name")")"
      return
    fi
  done
}
stub-number() { local bus; bus=$(stub-bus); echo "${bus#/dev/i2c-}"; }

# The directory of a simulated line, with the files pull and value.
sim-line() {
  local offset
  for offset in "${!LINES_OF_SIM[@]}"; do
    [[ ${LINES_OF_SIM[offset]} == "$1" ]] || continue
    echo "/sys/devices/platform/$(<"$SIM/dev_name")/$(<"$SIM/bank0/chip_name")/sim_gpio$offset"
  done
}
line-value() { cat "$(sim-line "$1")/value"; }
line-is() { [[ $(line-value "$1") == "$2" ]]; }

start-plant() {
  systemd-run --quiet --unit=rig-plant --property=Type=exec \
    /payload/rig/rig-plant "$(stub-bus)" "$(sim-line DRIVE-ENABLE)/value"
}
stop-plant() { systemctl stop rig-plant.service 2>/dev/null || true; }

# registers ADDRESS FIRST COUNT: bytes of a chip of the stub in one transfer, also where a kernel driver owns it.
registers() { i2cget -f -y "$(stub-number)" "$1" "$2" i "$3"; }

# The directory of the kernel's PWM chip at the golden address.
golden-pwm() { echo "/sys/bus/i2c/devices/i2c-$(stub-number)/$(stub-number)-0061"/pwm/pwmchip*; }

# The kernel's PCA9685 driver on its own address of the stub: kernel-pulse NANOSECONDS PERIOD prints the four bytes
# of channel 0 and the prescaler that it writes.
kernel-pulse() {
  local adapter chip
  adapter=/sys/bus/i2c/devices/i2c-$(stub-number)
  [[ -d $adapter/$(stub-number)-0061 ]] || echo "pca9685 $GOLDEN_PWM" >"$adapter/new_device"
  chip=$(golden-pwm)
  [[ -d $chip/pwm0 ]] || echo 0 >"$chip/export"
  await 5 test -w "$chip/pwm0/duty_cycle" || fail "the kernel's driver offers no channel 0"
  # Shrinking duty first, growing period first: duty never exceeds the period.
  echo 0 >"$chip/pwm0/duty_cycle"
  echo "$2" >"$chip/pwm0/period"
  echo "$1" >"$chip/pwm0/duty_cycle"
  echo 1 >"$chip/pwm0/enable"
  echo "$(registers $GOLDEN_PWM 6 4) $(registers $GOLDEN_PWM 0xfe 1)"
}

daemon-pid() { systemctl show --property=MainPID --value motorhandd.service; }
daemon-active() { [[ $(systemctl is-active motorhandd.service) == active ]]; }
status() { motorhand status --json; }
state() { status 2>/dev/null | jq -r .state; }
state-is() { [[ $(state) == "$1" ]]; }
fault() { status | jq -r '.fault // "none"'; }

installed() { dpkg-query -W -f '${Status}' motorhand 2>/dev/null | grep -q 'ok installed'; }
need-package() { installed || fail "the package motorhand is not installed (check package)"; }
daemon-settled() { [[ $(systemctl is-active motorhandd.service) != activating ]]; }
# Starts the daemon if a check before has stopped it.
need-service() {
  need-package
  [[ $(systemctl is-active motorhandd.service) != inactive ]] || systemctl start motorhandd.service || true
  await 20 daemon-settled
  daemon-active ||
    fail "motorhandd.service is $(systemctl is-active motorhandd.service), expected active: $(
      journalctl -u motorhandd.service -n 3 -o cat | paste -sd' ')"
}

# Brings the daemon from any state to armed.
arm() {
  if state-is tracking || state-is armed; then return; fi
  if ! state-is idle; then motorhand reset >/dev/null || true; fi
  await 10 state-is idle || fail "state $(state), fault $(fault) after reset, expected idle"
  motorhand arm >/dev/null || fail "arm was refused"
  await 10 state-is armed || fail "state $(state), fault $(fault) after arm, expected armed"
  await 5 line-is DRIVE-ENABLE 1 || fail "armed, but the drive-enable line is not live"
}

# The PID of a daemon that came after the given one and answers.
daemon-after() {
  local pid
  pid=$(daemon-pid)
  [[ $pid != 0 && $pid != "$1" ]] && daemon-active && state-is idle
}

# Unpacks the newest segment of the running daemon's recording, as far as it is on the disk. In emulation that takes
# seconds: once for all that a check asks.
unpack-newest() {
  local segment
  segment=$(ls "$DATA/$(status | jq -r .run_id)"/segment-*.sqlite | tail -n 1)
  rm -f /tmp/rows.sqlite
  motorhand log unpack "$segment" /tmp/rows.sqlite >/dev/null
}

# query SQL: on what was unpacked.
query() { sqlite3 -readonly /tmp/rows.sqlite "$1"; }
