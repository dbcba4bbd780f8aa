# The shim of both libgpiods on the line that the board does not use. Tests/CGPIO/check made the programs.

exercise-gpio() {
  [[ -x /payload/rig/gpiod-v$1 ]] || fail "no gpiod-v$1: Tests/CGPIO/check did not build it"
  "/payload/rig/gpiod-v$1" "$1" rig-lines SPARE "$(sim-line SPARE)"
}
check-gpiod-v1() { exercise-gpio 1; }
check-gpiod-v2() { exercise-gpio 2; }
