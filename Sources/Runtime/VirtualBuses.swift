import Control
import Devices
import HandModel
import Realtime

/// What goes wrong with the machine in one tick of virtual time; by default nothing.
package struct MachineDisturbance: Sendable {
  /// The threads that drive actuators are dead from now on. Their other work stops too.
  package var killsActuatorThreads = false
  /// The loop thread wakes this much after its deadline, while the bus threads go on.
  package var loopLateNanoseconds: Int64 = 0
  /// No thread runs for this long before the tick, as when a virtual machine is paused; the hand
  /// itself moves on.
  package var pausedNanoseconds: Int64 = 0
  /// The wall clock is set forward by this, or back.
  package var wallStepNanoseconds: Int64 = 0
  /// Nothing is taken from the rings, and virtual time does not wait for it.
  package var consumersAreStuck = false

  package init() {}
}

/// The bus threads of a hand under a virtual clock: the same work at the same times, on the caller's thread
/// and in the order of time.
struct VirtualBuses {
  /// One thread of the real hand.
  private struct Lane {
    enum Work {
      case bus(BusWorker)
      case local(ActuatorWorker)
    }
    enum Step {
      case actuate
      /// Others learn what was written only when the writing is over.
      case publishStatus
      case sample
      case publishSamples
    }
    let work: Work
    /// From the start of a cycle.
    let actuating: Int64
    /// Nil where nothing is sampled.
    let sampling: Int64?
    var cadence: DeadlineSchedule
    var step: Step
    /// The thread is busy until then.
    var busyUntil: Int64
    /// How long sampling took last time. Its end is not known when it begins.
    var samplingTime: Int64
    var isDead = false

    /// When the next piece of work takes effect: the latest time to do it.
    var due: Int64 {
      if isDead { return .max }
      return step == .sample ? start + samplingTime : start
    }

    /// When it begins.
    var start: Int64 {
      switch step {
      case .actuate: max(cadence.deadlineNanoseconds + actuating, busyUntil)
      case .sample: max(cadence.deadlineNanoseconds + (sampling ?? 0), busyUntil)
      case .publishStatus, .publishSamples: busyUntil
      }
    }
  }

  private var lanes: [Lane] = []

  /// The threads that drive actuators do nothing any more.
  mutating func killActuatorThreads() {
    for index in lanes.indices {
      switch lanes[index].work {
      case .local: lanes[index].isDead = true
      case .bus(let worker): if worker.drivesActuators { lanes[index].isDead = true }
      }
    }
  }

  /// - Parameter epoch: deadline of the first tick; the buses have sampled once by then.
  init(_ workers: [BusWorker], _ local: ActuatorWorker?, periodNanoseconds period: Int64, epoch: Int64) {
    let cadence = DeadlineSchedule(periodNanoseconds: period, start: epoch - period)
    for worker in workers {
      let phases = BusPhases(worker.schedule, periodNanoseconds: period)
      lanes.append(
        Lane(
          work: .bus(worker), actuating: phases.actuating, sampling: phases.sampling, cadence: cadence,
          step: worker.drivesActuators ? .actuate : .sample, busyUntil: .min,
          samplingTime: worker.schedule.samplingNanoseconds))
    }
    if let local {
      lanes.append(
        Lane(
          work: .local(local), actuating: BusPhases.actuating(periodNanoseconds: period), sampling: nil,
          cadence: cadence, step: .actuate, busyUntil: .min, samplingTime: 0))
    }
  }

  /// Does what the threads would have done by `time`.
  mutating func serve(by time: Int64, clock: any SteppedClock) {
    while true {
      var next = -1
      var earliest = Int64.max
      for index in lanes.indices {
        let due = lanes[index].due
        if due < earliest { (next, earliest) = (index, due) }
      }
      guard next >= 0, earliest <= time else { return }
      work(next, clock: clock)
    }
  }

  /// The threads sleep until `time`, whatever they had to do before.
  mutating func pause(until time: Int64) {
    for index in lanes.indices { lanes[index].busyUntil = max(lanes[index].busyUntil, time) }
  }

  private mutating func work(_ index: Int, clock: any SteppedClock) {
    let start = lanes[index].start
    switch (lanes[index].work, lanes[index].step) {
    case (.local(let actuators), .publishStatus):
      actuators.publish()
      lanes[index].step = .actuate
      lanes[index].cadence.advance(now: start)
    case (.local(let actuators), _):
      clock.set(start)
      // The worker counts a failed write and reports it to the loop.
      do throws(DeviceError) { try actuators.write() } catch {}
      lanes[index].busyUntil = clock.now()
      lanes[index].step = .publishStatus
    case (.bus(let worker), .actuate):
      clock.set(start)
      worker.write()
      lanes[index].busyUntil = clock.now()
      lanes[index].step = .publishStatus
    case (.bus(let worker), .publishStatus):
      worker.actuators?.publish()
      lanes[index].step = .sample
    case (.bus(let worker), .sample):
      clock.set(start)
      worker.read()
      lanes[index].busyUntil = clock.now()
      lanes[index].samplingTime = clock.now() - start
      lanes[index].step = .publishSamples
    case (.bus(let worker), .publishSamples):
      worker.publish()
      lanes[index].step = worker.drivesActuators ? .actuate : .sample
      lanes[index].cadence.advance(now: start)
    }
  }
}
