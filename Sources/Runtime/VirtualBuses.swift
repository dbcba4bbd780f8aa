import Devices
import Realtime
import Simulation

/// What befalls the machine in one tick of virtual time; by default nothing.
package struct MachineTrouble: Sendable {
  /// The loop thread wakes this much after its deadline, while the bus threads go on.
  package var loopLateNanoseconds: Int64 = 0
  /// No thread runs for this long before the tick, as when a virtual machine is paused; the hand itself moves on.
  package var pausedNanoseconds: Int64 = 0
  /// The wall clock is set forward by this, or back.
  package var wallStepNanoseconds: Int64 = 0
  /// Nothing is taken from the rings, and virtual time does not wait for it.
  package var consumersAreStuck = false

  package init() {}
}

/// The bus threads of a hand under a virtual clock: the same work at the same times, on the caller's thread and in
/// the order of time.
struct VirtualBuses {
  /// One thread of the real hand.
  private struct Lane {
    enum Work {
      case bus(BusWorker)
      case local(ActuatorWorker)
    }
    let work: Work
    /// From the start of a cycle.
    let actuating: Int64
    /// Nil where nothing is sampled.
    let sampling: Int64?
    var cadence: LoopCadence
    var hasActuated: Bool
    /// The thread does nothing else before.
    var busyUntil: Int64
    /// How long sampling took last time: when it begins its end is not known.
    var samplingTime: Int64
    /// Samples that no other thread sees before this time.
    var publishing: Int64?

    /// When the next piece of work shows its effect: the latest time to do it.
    var due: Int64 {
      if let publishing { return publishing }
      return hasActuated ? start + samplingTime : start
    }

    /// When it begins.
    var start: Int64 {
      max(cadence.deadlineNanoseconds + (hasActuated ? sampling ?? 0 : actuating), busyUntil)
    }
  }

  private var lanes: [Lane] = []

  /// - Parameter epoch: deadline of the first tick; the buses have sampled once by then.
  init(_ workers: [BusWorker], _ local: ActuatorWorker?, periodNanoseconds period: Int64, epoch: Int64) {
    let cadence = LoopCadence(periodNanoseconds: period, start: epoch - period)
    for worker in workers {
      let phases = BusPhases(worker.schedule, periodNanoseconds: period)
      lanes.append(
        Lane(
          work: .bus(worker), actuating: phases.actuating, sampling: phases.sampling, cadence: cadence,
          hasActuated: !worker.drivesActuators, busyUntil: .min,
          samplingTime: worker.schedule.samplingNanoseconds))
    }
    if let local {
      lanes.append(
        Lane(
          work: .local(local), actuating: BusPhases.actuating(periodNanoseconds: period), sampling: nil,
          cadence: cadence, hasActuated: false, busyUntil: .min, samplingTime: 0))
    }
  }

  /// Does what the threads would have done by `time`.
  mutating func serve(by time: Int64, clock: VirtualClock) {
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

  private mutating func work(_ index: Int, clock: VirtualClock) {
    switch lanes[index].work {
    case .local(let actuators):
      clock.set(lanes[index].start)
      // A failed write is counted by the worker, which reports it to the loop.
      do throws(DeviceError) { try actuators.actuate() } catch {}
      lanes[index].cadence.advance(now: clock.now())
    case .bus(let worker):
      if lanes[index].publishing != nil {
        worker.publish()
        lanes[index].publishing = nil
        lanes[index].hasActuated = !worker.drivesActuators
        lanes[index].cadence.advance(now: lanes[index].busyUntil)
      } else if lanes[index].hasActuated {
        let start = lanes[index].start
        clock.set(start)
        worker.read()
        lanes[index].busyUntil = clock.now()
        lanes[index].samplingTime = clock.now() - start
        lanes[index].publishing = clock.now()
      } else {
        clock.set(lanes[index].start)
        worker.actuate()
        lanes[index].busyUntil = clock.now()
        lanes[index].hasActuated = true
      }
    }
  }
}
