# The daemon as a service of systemd.

check-service() {
  need-package
  systemctl start motorhandd.service ||
    fail "systemctl start: $(journalctl -u motorhandd.service -n 5 -o cat | paste -sd' ')"
  daemon-active || fail "not active after start"
  # Type=notify: active means that READY came.
  [[ $(systemctl show --property=Type --value motorhandd.service) == notify ]] || fail "the unit is not Type=notify"
  await 20 state-is idle || fail "state $(state), fault $(fault), expected idle"
  line-is DRIVE-ENABLE 0 || fail "the drive-enable line is live in an idle hand"
  systemctl show --property=StatusText --value motorhandd.service
}

check-user() {
  need-service
  local status="/proc/$(daemon-pid)/status" uid field
  uid=$(awk '$1 == "Uid:" {print $2, $3, $4, $5}' "$status")
  [[ $uid == "$(id -u motorhand) $(id -u motorhand) $(id -u motorhand) $(id -u motorhand)" ]] ||
    fail "runs as user $uid, expected motorhand"
  for field in CapInh CapPrm CapEff CapBnd CapAmb; do
    grep -q "^$field:[[:space:]]*0000000000000000$" "$status" || fail "$(grep "^$field" "$status"), expected none"
  done
  grep -q '^NoNewPrivs:[[:space:]]*1$' "$status" || fail "may gain privileges"
  echo "user motorhand ($(id -u motorhand)), no capability in any set"
}

check-threads() {
  need-service
  local pid task name policy priority fields loops=0 buses=0 normal=0 locked
  pid=$(daemon-pid)
  locked=$(awk '$1 == "VmLck:" {print $2}' "/proc/$pid/status")
  ((locked > 0)) || fail "VmLck is $locked kB: the memory is not locked"
  for task in "/proc/$pid/task"/*; do
    name=$(<"$task/comm")
    # After the name in parentheses come the fields from 3 on: 40 is the priority, 41 the policy.
    fields=$(sed 's/.*) //' "$task/stat")
    priority=$(cut -d' ' -f38 <<<"$fields") policy=$(cut -d' ' -f39 <<<"$fields")
    case $name in
      loop)
        [[ $policy == 1 && $priority == 80 ]] || fail "loop: policy $policy, priority $priority, expected FIFO (1), 80"
        [[ $(awk '$1 == "Cpus_allowed_list:" {print $2}' "$task/status") == 1 ]] || fail "loop: not pinned to CPU 1"
        loops=$((loops + 1)) ;;
      bus* | e-stop | pwm*)
        [[ $policy == 1 && $priority == 79 ]] || fail "$name: policy $policy, priority $priority, expected FIFO (1), 79"
        buses=$((buses + 1)) ;;
      *)
        [[ $policy == 0 ]] || fail "$name: policy $policy, priority $priority, expected the normal one (0)"
        normal=$((normal + 1)) ;;
    esac
  done
  ((loops == 1 && buses >= 1)) || fail "$loops loop and $buses bus threads, expected 1 and at least 1"
  echo "loop FIFO 80 on CPU 1; $buses at FIFO 79; $normal normal; $locked kB locked"
}

check-safe-state() {
  need-service
  arm
  systemctl stop motorhandd.service || fail "systemctl stop failed"
  line-is DRIVE-ENABLE 0 || fail "the drive-enable line is live after systemctl stop"
  await 5 outputs-off || fail "channels of the PCA9685 after systemctl stop: $(registers $PWM 6 20)"
  local result
  result=$(systemctl show --property=Result --value motorhandd.service)
  [[ $result == success ]] || fail "the service's result is $result, expected success"
  motorhand safe-state $BOARD >/dev/null || fail "motorhand safe-state: exit $?, expected 0 when repeated"
  systemctl start motorhandd.service
  echo "drive-enable line 0, five channels full off"
}
# Bit 4 of the last of a channel's four bytes: full off.
outputs-off() {
  local bytes channel
  read -ra bytes <<<"$(registers $PWM 6 20)"
  for channel in 0 1 2 3 4; do ((bytes[4 * channel + 3] & 0x10)) || return 1; done
}

check-kill() {
  need-service
  arm
  local before
  before=$(daemon-pid)
  kill -KILL "$before"
  await 5 line-is DRIVE-ENABLE 0 || fail "the drive-enable line is still live 5 s after SIGKILL"
  await 30 daemon-after "$before" || fail "no idle daemon after SIGKILL: $(systemctl is-active motorhandd.service), $(state)"
  line-is DRIVE-ENABLE 0 || fail "the restarted daemon armed by itself"
  echo "drive-enable line 0; restarted, idle"
}

check-black-box() {
  need-package
  local newest rows state
  newest=$(find $DATA -maxdepth 1 -name 'blackbox-*.sqlite' | head -n 1)
  [[ -n $newest ]] || fail "no $DATA/blackbox-*.sqlite after the SIGKILL (check kill)"
  rows=$(sqlite3 -readonly "$newest" 'select count(*) from tick')
  state=$(sqlite3 -readonly "$newest" 'select state from tick_named order by sequence desc limit 1')
  ((rows >= 10)) || fail "$newest has $rows ticks"
  [[ $state == armed || $state == tracking ]] || fail "$newest ends in state $state, expected armed: the hand was killed so"
  echo "$rows ticks, the last in state $state"
}

check-watchdog() {
  need-service
  arm
  local before
  before=$(daemon-pid)
  kill -STOP "$before"
  await 60 daemon-after "$before" || fail "no new daemon: $(systemctl is-active motorhandd.service), PID $(daemon-pid) after $before"
  line-is DRIVE-ENABLE 0 || fail "the drive-enable line is live after the restart"
  journalctl -b -u motorhandd.service -o cat | grep -q 'Watchdog timeout' || fail "the journal does not name the watchdog"
  echo "killed by the watchdog, restarted, idle"
}

# A jog of one joint, some 20 s long, in the background; its standard error is the file $1.
start-jog() {
  motorhand jog $BOARD index --degrees 40 --speed 2 --json 2>"$1" >/dev/null &
  jog=$!
  await 20 line-is DRIVE-ENABLE 1 || fail "the drive-enable line is not live 20 s after a jog's start: $(paste -sd' ' "$1")"
}
check-jog() {
  need-service
  systemctl stop motorhandd.service
  local result travel said jog end
  said=$(mktemp)
  result=$(motorhand jog $BOARD index --degrees 20 --speed 20 --json) || fail "jog: exit $?, $result"
  line-is DRIVE-ENABLE 0 || fail "the drive-enable line is live after a jog"
  travel=$(jq '.endDegrees - .startDegrees' <<<"$result")
  awk -v t="$travel" 'BEGIN { exit !(t > 15 && t < 25) }' || fail "found $travel degrees, expected 20"
  for end in KILL STOP; do
    start-jog "$said"
    kill "-$end" "$jog"
    await 10 line-is DRIVE-ENABLE 0 || fail "the drive-enable line is live 10 s after SIG$end"
    await 10 outputs-off || fail "channels of the PCA9685 after SIG$end: $(registers $PWM 6 20)"
    await 10 grep -q 'every actuator off' "$said" || fail "after SIG$end: $(paste -sd' ' "$said")"
    wait "$jog" 2>/dev/null || true
  done
  systemctl start motorhandd.service
  echo "$travel degrees; after SIGKILL and SIGSTOP drive-enable line 0, five channels full off"
}

check-upgrade() {
  # A try before may have been ended while dpkg ran.
  installed || dpkg -i --force-confold /payload/motorhand.deb >/dev/null 2>&1 ||
    fail "dpkg -i does not mend what a try before left"
  need-service
  arm
  local before
  before=$(daemon-pid)
  # Debian's helper starts only what is enabled.
  systemctl --quiet enable motorhandd.service 2>/dev/null
  dpkg -i --force-confold /payload/motorhand.deb >/dev/null 2>&1 || fail "dpkg -i over itself failed"
  await 30 daemon-after "$before" || fail "no idle daemon after the upgrade"
  line-is DRIVE-ENABLE 0 || fail "the upgrade left the drive-enable line live"
  echo "idle, PID $(daemon-pid) after $before"
}

check-purge() {
  local segments
  # Also where a try before has purged already.
  dpkg --purge motorhand >/dev/null 2>&1 || fail "dpkg --purge failed"
  ! installed || fail "the package is still installed"
  [[ ! -e /usr/bin/motorhandd && ! -e $BOARD ]] || fail "the purge left the program or its configuration"
  line-is DRIVE-ENABLE 0 || fail "the purge left the drive-enable line live"
  segments=$(ls $DATA/*/segment-*.sqlite 2>/dev/null | wc -l)
  ((segments)) || fail "the purge took the recordings"
  echo "$segments segments kept"
}
