# The project's package and its tools, before the daemon runs.

check-package() {
  [[ -f /payload/motorhand.deb ]] || fail "no package: Scripts/package is missing"
  dpkg -i /payload/motorhand.deb >/dev/null || fail "dpkg -i failed: $(dpkg -i /payload/motorhand.deb 2>&1 | tail -n 1)"
  need-package
  ! daemon-active || fail "the package started the service by itself"
  [[ $(systemctl is-enabled motorhandd.service || true) == disabled ]] || fail "the package enabled the service by itself"
  cp /payload/rig/rig-board.yaml $BOARD
  cp /payload/rig/rig-hand.yaml $CALIBRATION
  echo 'MOTORHANDD_OPTIONS="--hand rig --cpu 1 --require-realtime"' >/etc/default/motorhandd
  dpkg-query -W -f '${Package} ${Version}\n' motorhand
}

check-verify() {
  need-package
  local found
  found=$(systemd-analyze verify motorhandd.service 2>&1) || fail "$found"
  [[ -z $found ]] || fail "$found"
  echo "clean"
}

check-security() {
  need-package
  local report
  # Ten times the score.
  report=$(systemd-analyze security --threshold=15 --no-pager motorhandd.service) ||
    fail "$(tail -n 1 <<<"$report"), expected at most 1.5"
  grep -o 'exposure level.*: [0-9.]*' <<<"$report"
}

check-scan() {
  need-package
  local report address
  report=$(motorhand scan --json) || fail "motorhand scan: exit $?"
  for address in 0x36 0x40 0x41 0x42 0x43 0x60; do
    jq -e --argjson address $((address)) '
      .buses[] | select(.name == "SMBus stub driver") | .answers | any(.address == $address)' <<<"$report" >/dev/null ||
      fail "scan does not show $address on the stub's bus"
  done
  jq -e '.gpioChips | any(.label == "rig-lines" and .namedLineCount == 3)' <<<"$report" >/dev/null ||
    fail "scan does not show the GPIO chip rig-lines with its 3 named lines"
  jq -r '"\(.buses | map(.answers | length) | add) addresses, \(.gpioChips | length) GPIO chips, \(
    .pwmChips | length) PWM chips"' <<<"$report"
}

check-board() {
  need-package
  local report
  report=$(motorhand check $BOARD --calibration $CALIBRATION 2>&1) ||
    fail "exit $?, expected 0: $(tail -n 3 <<<"$report" | paste -sd' ')"
  tail -n 1 <<<"$report"
}

check-board-missing() {
  need-package
  local report result=0
  ./hardware without-encoder
  report=$(motorhand check $BOARD --calibration $CALIBRATION 2>&1) || result=$?
  ./hardware full
  ((result == 4)) || fail "exit $result without the chip at 0x36, expected 4"
  grep -E 'little|0x36' <<<"$report" | grep -E -m 1 -i 'missing|answer' || fail "the report does not name the missing chip"
}
