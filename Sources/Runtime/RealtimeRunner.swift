import Control
import Devices
import HandModel
import Realtime

/// A hand in real time: a thread for each bus and for the loop, on the machine's clock.
extension HandRuntime {
  /// Starts the hand: bus threads and loop thread on the machine's clock; or, where its clock is a virtual
  /// one, one thread that lets this clock follow the machine's.
  /// - Parameters:
  ///   - cpu: CPU that the loop is pinned to; nil = not pinned.
  ///   - requireRealtime: refuse to run without SCHED_FIFO instead of degrading.
  package func start(cpu: Int?, requireRealtime: Bool) throws(StartError) {
    let period = plan.periodNanoseconds
    let missing: RealtimeThread.MissingPrivilege = requireRealtime ? .fail : .degrade
    if let clock = clock as? any SteppedClock {
      return try spawn("loop", priority: SchedulingPolicy.loopPriority, cpu: cpu, missing) { [self] in
        follow(clock)
      }
    }
    // Two periods ahead, so that every bus has sampled once before the first tick.
    let epoch = clock.now() + 2 * period
    for worker in workers {
      let name = "bus " + board.buses[worker.schedule.bus].name
      try spawn(name, priority: SchedulingPolicy.busPriority, cpu: nil, missing) { [self] in
        serve(worker, epoch: epoch)
      }
    }
    if let localActuators {
      try spawn("pwm", priority: SchedulingPolicy.busPriority, cpu: nil, missing) { [self] in
        serve(localActuators, epoch: epoch)
      }
    }
    try spawn("loop", priority: SchedulingPolicy.loopPriority, cpu: cpu, missing) { [self] in
      run(epoch: epoch)
    }
  }

  private func spawn(
    _ name: String, priority: Int32, cpu: Int?, _ missing: RealtimeThread.MissingPrivilege,
    _ body: @escaping @Sendable () -> Void
  ) throws(StartError) {
    do throws(RealtimeThreadError) {
      let thread = try RealtimeThread(
        name: name, policy: .fifo(priority: priority), cpu: cpu, onMissingPrivilege: missing, body: body)
      threads.append(thread)
      threadReports.append(thread.report)
    } catch {
      stop()
      throw .thread(name: name, error)
    }
  }

  /// The loop thread: sleep, tick, next deadline.
  private func run(epoch: Int64) {
    let clock = MonotonicClock()
    var cadence = DeadlineSchedule(periodNanoseconds: plan.periodNanoseconds, start: epoch)
    var skipped: UInt64 = 0
    probe.begin()
    while true {
      let deadline = cadence.deadlineNanoseconds
      clock.sleep(until: deadline)
      // Seen after the sleep: outputs end within a period, and the last tick shows in the recording that they
      // did.
      let isLast = shouldStop.load(ordering: .acquiring)
      let now = clock.now()
      tick(deadline: deadline, now: now, skipped: skipped, isLast: isLast) { clock.now() }
      if isLast { break }
      skipped = cadence.advance(now: clock.now())
    }
    probe.end()
    ends.makeSafe()
  }

  /// A bus thread: actuate after the tick's deadline, sample before the next one.
  private func serve(_ worker: BusWorker, epoch: Int64) {
    let phases = BusPhases(worker.schedule, periodNanoseconds: plan.periodNanoseconds)
    var cadence = DeadlineSchedule(
      periodNanoseconds: plan.periodNanoseconds, start: epoch - plan.periodNanoseconds)
    while !shouldStop.load(ordering: .acquiring) {
      let deadline = cadence.deadlineNanoseconds
      if worker.drivesActuators {
        clock.sleep(until: deadline + phases.actuating)
        worker.actuate()
      }
      clock.sleep(until: deadline + phases.sampling)
      worker.sample()
      cadence.advance(now: clock.now())
    }
    worker.switchOff()
  }

  /// The thread of the actuators on the kernel's PWM chips: writing one may sleep, so the loop must not.
  private func serve(_ worker: ActuatorWorker, epoch: Int64) {
    let period = plan.periodNanoseconds
    var cadence = DeadlineSchedule(periodNanoseconds: period, start: epoch - period)
    while !shouldStop.load(ordering: .acquiring) {
      clock.sleep(until: cadence.deadlineNanoseconds + BusPhases.actuating(periodNanoseconds: period))
      // A failed write is counted by the worker, which reports it to the loop.
      do throws(DeviceError) { try worker.actuate() } catch {}
      cadence.advance(now: clock.now())
    }
    do throws(DeviceError) { try worker.switchOff() } catch {}
  }
}
