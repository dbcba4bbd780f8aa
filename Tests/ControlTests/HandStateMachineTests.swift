import HandModel
import Testing

@testable import Control

/// The states of a hand without a joint: `StateExplorationTests` explores them with joints.
@Suite("The state machine of a hand")
struct HandStateMachineTests {
  private let limits = GuardLimits.standard
  private let ready: Readiness = {
    var inputs = TickInputs()
    return Readiness(
      &inputs, unready: 0, areActuatorsWell: true, areJointsEstimated: true, areJointsInRange: true)
  }()

  private func idle() -> HandStateMachine {
    var machine = HandStateMachine()
    for tick in 0..<limits.selfTestTicks {
      _ = machine.advanceSelfTest(isReady: true, now: Int64(tick), limits: limits)
    }
    return machine
  }

  private func armed(_ mode: ControlMode = .stationKeep) -> HandStateMachine {
    var machine = idle()
    var consequence = Consequence.none
    _ = machine.arm(into: mode, ready, &consequence)
    return machine
  }

  private func alarm(_ code: FaultCode, _ joint: Int = 255) -> Alarm {
    var alarm = Alarm()
    alarm.raise(code, joint)
    return alarm
  }

  @Test("what the joints must do about each change is returned")
  func consequences() {
    var machine = idle()
    var consequence = Consequence.none
    #expect(machine.arm(into: .nullG, ready, &consequence) == .executed && consequence == .begin)
    #expect(machine.arm(into: .stationKeep, ready, &consequence) == .executed && consequence == .engage)
    #expect(machine.pose() == .none && machine.state == .tracking)
    #expect(machine.disarm(&consequence) == .executed && consequence == .letGo)

    machine = armed(.nullG)
    #expect(machine.stream(now: 5) == .engage && machine.isStreaming)
    #expect(machine.latch(alarm(.commandTimeout), now: 0, limits: limits) == .stopMoving)
    #expect(machine.drives && machine.mode == .stationKeep && !machine.isStreaming)
    machine = armed(.nullG)
    #expect(machine.latch(alarm(.commandTimeout), now: 0, limits: limits) == .engageAndStop)
    #expect(machine.latch(alarm(.overload, 4), now: 0, limits: limits) == .letGo, "it takes the hold's place")
    #expect(machine.fault == .overload && machine.faultJoint == 4 && !machine.drives)
    #expect(machine.latch(alarm(.decay), now: 0, limits: limits) == .none, "the first cause stays")
    #expect(machine.latch(alarm(.eStopLine), now: 0, limits: limits) == .letGo && machine.state == .eStop)
    #expect(machine.latch(alarm(.overload), now: 0, limits: limits) == .none && machine.fault == .eStopLine)
  }

  @Test("braking enables the outputs for its time, and drives nothing")
  func braking() {
    var machine = armed()
    #expect(machine.latch(alarm(.velocityLimit, 1), now: 100, limits: limits) == .letGo)
    #expect(machine.enablesOutputs && !machine.drives)
    machine.endBraking(isDoubtful: false, now: 99 + limits.brakeNanoseconds, limits: limits)
    #expect(machine.enablesOutputs)
    machine.endBraking(isDoubtful: false, now: 100 + limits.brakeNanoseconds, limits: limits)
    #expect(!machine.enablesOutputs && machine.fault == .velocityLimit)
    machine = armed()
    _ = machine.latch(alarm(.velocityLimit, 1), now: 100, limits: limits)
    machine.endBraking(isDoubtful: true, now: 101, limits: limits)
    #expect(!machine.enablesOutputs)
  }

  @Test("an alarm keeps what was raised first, and none raises nothing")
  func alarms() {
    var alarm = Alarm()
    #expect(!alarm.isRaised)
    alarm.raise(.none, 3)
    #expect(!alarm.isRaised)
    alarm.raise(.trackingError, 2)
    alarm.raise(.decay, 1)
    #expect(alarm.isRaised && alarm.code == .trackingError && alarm.joint == 2)
  }
}
