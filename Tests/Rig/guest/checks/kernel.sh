# What needs nothing of this project: the kernel, its virtual hardware and the plant.

check-kernel() {
  uname -v | grep -q PREEMPT_RT || fail "uname -v: found $(uname -v), expected PREEMPT_RT"
  [[ -c /dev/watchdog0 ]] || fail "no /dev/watchdog0"
  echo "$(uname -r) $(uname -v), $(nproc) processors, systemd $(systemctl --version | awk 'NR == 1 {print $2}')"
}

check-bus() {
  local address found=()
  for address in 40 41 42 43 36 60 61; do
    i2cget -f -y "$(stub-number)" "0x$address" 0 >/dev/null || fail "no chip at 0x$address of the stub"
    found+=("0x$address")
  done
  ! i2cget -f -y "$(stub-number)" 0x50 0 2>/dev/null || fail "a chip answers at 0x50, where none is"
  [[ $(gpiofind E-STOP) == gpiochip*' 1' ]] || fail "gpiofind E-STOP: found '$(gpiofind E-STOP)', expected line 1"
  line-is DRIVE-ENABLE 0 || fail "the drive-enable line rests at 1, its resistor pulls to 0"
  echo "$(stub-bus) with ${found[*]}; $(gpiofind DRIVE-ENABLE), $(gpiofind E-STOP)"
}

check-kernel-pwm() {
  local found
  # 6.12 rounds duty up: 1.5 ms of 20 ms are ceil(307.2) = 308 = 0x134 counts; 20 ms are prescaler 121 = 0x79.
  found=$(kernel-pulse 1500000 20000000)
  [[ $found == '0x00 0x00 0x34 0x01 0x79' ]] ||
    fail "1.5 ms of 20 ms: found $found, expected 0x00 0x00 0x34 0x01 0x79"
  echo "1.5 ms of 20 ms: ON, OFF, prescaler $found"
}

check-plant() {
  stop-plant
  local figures status=0
  # An output of another consumer makes the drive-enable line live for the self-test.
  gpioset --mode=signal rig-lines 0=1 &
  await 5 line-is DRIVE-ENABLE 1 || fail "the drive-enable line did not become live"
  figures=$(/payload/rig/rig-plant "$(stub-bus)" "$(sim-line DRIVE-ENABLE)/value" self-test) || status=$?
  kill %1
  wait
  line-is DRIVE-ENABLE 0 || fail "the drive-enable line stays live without its owner"
  start-plant
  ((status == 0)) || exit 1
  echo "$figures"
}
