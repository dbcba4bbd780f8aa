import HandModel
import HandRigs
import Testing

@testable import Control

@Suite("Recorded inputs")
struct RecordedInputsTests {
  @Test("a reading that is no number is recalled as it was, one of a sensor that is not there as zero")
  func noNumber() {
    var record = TickRecord()
    record.jointCount = UInt8(ServoHand.board.joints.count)
    record.joints[1].currentAmperes = .nan
    record.joints[1].forceNewtons = .nan
    var inputs = TickInputs()
    inputs.recall(&record)
    #expect(inputs.currentsAmperes[1].isNaN && inputs.forcesNewtons[1].isNaN)
    // The shipped servo hand has neither sensor.
    inputs.recall(&record, absent: AbsentSensors(on: ServoHand.board))
    #expect(inputs.currentsAmperes[1] == 0 && inputs.forcesNewtons[1] == 0)
    // The shipped motor hand measures every current, and the force of its fingertips.
    let motors = AbsentSensors(on: TestHand.board)
    #expect(motors.currents == 0 && motors.forces.nonzeroBitCount == 10)
  }
}
