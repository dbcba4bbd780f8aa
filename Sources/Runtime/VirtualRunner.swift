import Control
import Devices
import HandModel
import Realtime

/// A hand under a clock that is moved for it, on one thread: a simulated one that follows the machine, and
/// virtual time.
extension HandRuntime {
  /// The thread of a simulated hand: buses and ticks in the order of their times, each tick when the
  /// machine's clock has reached it. While the machine stands still the hand's clock does too, as in a
  /// physics simulator: what the machine missed is counted, and the hand sees ticks at equal distances.
  func follow(_ clock: any SteppedClock) {
    let machine = MonotonicClock()
    let period = plan.periodNanoseconds
    var deadline = clock.now() + 2 * period
    var buses = VirtualBuses(workers, localActuators, periodNanoseconds: period, epoch: deadline)
    var cadence = DeadlineSchedule(periodNanoseconds: period, start: machine.now() + 2 * period)
    var judge = TimekeepingJudge(settings: board.control, joints: joints)
    let wallOffset = machine.wallNow() - machine.now()
    var missed: UInt64 = 0
    var before = cadence.deadlineNanoseconds - period
    while true {
      machine.sleep(until: cadence.deadlineNanoseconds)
      let woke = machine.now()
      let lateness = woke - cadence.deadlineNanoseconds
      let isLast = shouldStop.load(ordering: .acquiring)
      buses.serve(by: deadline, clock: clock)
      clock.set(deadline)
      ends.setWallClock(woke + wallOffset, at: deadline)
      let began = machine.now()
      // The machine's deadline lies as far before the tick as the machine was late.
      tick(deadline: deadline - lateness, now: deadline, skipped: 0, missed: missed, isLast: isLast) {
        deadline + machine.now() - began
      }
      judge.observe(
        sequence: ends.lastSequence, lateness: lateness, interval: woke - before, missed: missed,
        isDriven: ends.areOutputsEnabled)
      timekeeping.write(judge.result)
      if isLast { break }
      before = woke
      deadline += period
      missed = cadence.advance(now: machine.now())
    }
    finishVirtual()
  }

  private func finishVirtual() {
    ends.makeSafe()
    for worker in workers { worker.switchOff() }
    if let localActuators { do throws(DeviceError) { try localActuators.switchOff() } catch {} }
    _ = driveEnable.setActive(false)
  }

  /// Runs `ticks` ticks under a virtual clock, on the calling thread, as fast as the processor allows.
  ///
  /// The very same schedule, drivers and tick run in the order of their times. Rings exert back-pressure
  /// here: virtual time waits for a consumer, so nothing is dropped.
  /// - Parameters:
  ///   - script: commands by the tick's time since start, in order of time.
  ///   - records: whether something drains the recorder's ring.
  ///   - publishes: whether something drains the publisher's ring.
  ///   - closes: whether the last tick ends the outputs, as that of a hand in real time does.
  ///   - onTick: called after each tick; false ends the run, after one more tick where that closes it.
  ///   - disturbance: asked before each tick what befalls the machine in it.
  ///   - whileLate: called once in each period in which the loop should have run and did not, while the buses
  ///     go on.
  package func runVirtual(
    _ clock: any SteppedClock, ticks: Int, script: [ScriptedCommand] = [], records: Bool, publishes: Bool,
    closes: Bool = false, onTick: () -> Bool = { true },
    disturbance: (_ tick: Int) -> MachineDisturbance = { _ in MachineDisturbance() },
    whileLate: (_ now: Int64) -> Void = { _ in }
  ) {
    let period = plan.periodNanoseconds
    let epoch = clock.now() + 2 * period
    var buses = VirtualBuses(workers, localActuators, periodNanoseconds: period, epoch: epoch)
    var cadence = DeadlineSchedule(periodNanoseconds: period, start: epoch)
    var skipped: UInt64 = 0
    var nextCommand = 0
    var commands: UInt32 = 0
    var isEnding = false
    for number in 0..<ticks {
      if number == ticks - 1 { isEnding = true }
      let deadline = cadence.deadlineNanoseconds
      buses.serve(by: deadline, clock: clock)
      let disturbance = disturbance(number)
      if disturbance.killsActuatorThreads { buses.killActuatorThreads() }
      let now = deadline + disturbance.pausedNanoseconds + disturbance.loopLateNanoseconds
      if now > deadline {
        let resumed = deadline + disturbance.pausedNanoseconds
        buses.pause(until: resumed)
        for time in stride(from: resumed + period, to: now, by: Int(period)) {
          buses.serve(by: time, clock: clock)
          whileLate(time)
        }
        buses.serve(by: now, clock: clock)
      }
      ends.stepWallClock(byNanoseconds: disturbance.wallStepNanoseconds)
      clock.set(now)
      // One command a tick: the mailbox holds the newest only.
      if nextCommand < script.count && script[nextCommand].atNanoseconds <= now - epoch {
        commands += 1
        port.post(TickCommand(script[nextCommand].command, source: .script, number: commands))
        nextCommand += 1
      }
      if !disturbance.consumersAreStuck {
        makeRoom(recorderRing, isConsumed: records)
        makeRoom(publisherRing, isConsumed: publishes)
      }
      tick(deadline: deadline, now: now, skipped: skipped, isLast: closes && isEnding) { now }
      skipped = cadence.advance(now: now)
      let goesOn = onTick()
      if isEnding || !(goesOn || closes) { break }
      isEnding = !goesOn
    }
    finishVirtual()
  }

  private func makeRoom(_ ring: Ring<TickRecord>, isConsumed: Bool) {
    guard isConsumed else {
      _ = ring.drain { _ in }
      return
    }
    let machine = MonotonicClock()
    while ring.count == ring.capacity { machine.sleep(until: machine.now() + Self.backPressureNanoseconds) }
  }
}
