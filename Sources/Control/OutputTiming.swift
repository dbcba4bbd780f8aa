import Devices
import HandModel
import PrimalLogic

/// When the plant feels what a tick decides.
///
/// A bridge takes a duty over when its block has been written. A servo learns its command from the next
/// pulse. Its frames are not aligned with the ticks, so up to a whole frame passes first (half of one on
/// average), and then the servo's own delay. Where a frame is longer than a tick, the law decides once in
/// `holdTicks` ticks, so that there is a pulse for each decision.
package struct OutputTiming {
  /// Ticks from one decision to the next; 1 for a motor.
  package let holdTicks: Int
  /// Whole decisions for the certificate, rounded up: later is worse.
  package let delayTicks: Int
  /// Ticks on average, for the observer, which runs every tick.
  package let meanTicks: Double
  /// Decisions until the plant feels it at the earliest, for the certificate under uncertainty.
  package let earliestPeriods: Double

  /// Most ticks of one decision. With more, the frame makes up nearly all of the latency and a faster loop
  /// gains nothing, and two uncertified decisions would spend the usual budget of 20 ticks.
  package static let maximumHoldTicks = 10

  /// The timing of a joint's output on this board.
  ///
  /// Throws `slowFrame` where a servo's frame takes more than `maximumHoldTicks` ticks, and `lateOutput`
  /// where a command may act later than `maximumDelayTicks` decisions after its tick.
  /// - Parameters:
  ///   - index: of the joint in the board.
  ///   - plan: of the same board.
  package init(
    of index: Int, _ joint: JointCalibration, board: Board, plan: BusPlan
  ) throws(DesignRefusal.Cause) {
    let period = Double(plan.periodNanoseconds)
    let actuator = board.joints[index].actuator
    let chip = board.pwmChips[actuator.pwmChip]
    let written = Self.writtenNanoseconds(index, board: board, plan: plan)
    switch joint.drive {
    case .motor:
      // The kernel's chips take a new duty over at the end of a period.
      let end = chip.bus == nil ? written + 1e9 / chip.frequencyHertz : written
      holdTicks = 1
      delayTicks = 1
      meanTicks = min(end / period, 1)
      earliestPeriods = min(written / period, 1)
    case .servo(let servo):
      let frame = 1e9 / chip.trueFrequencyHertz
      // A frame is at least 3 ms: no overflow.
      holdTicks = max(Int((frame / period).rounded(.up)), 1)
      guard holdTicks <= Self.maximumHoldTicks else {
        throw .slowFrame(
          chip: chip.name, frameHertz: chip.trueFrequencyHertz, rateHertz: board.control.rateHertz)
      }
      let decision = Double(holdTicks) * period
      let delay = servo.delaySeconds * 1e9
      let latest = written + frame + delay
      guard latest <= Double(maximumDelayTicks) * decision else {
        throw .lateOutput(
          seconds: latest * 1e-9, largestSeconds: Double(maximumDelayTicks) * decision * 1e-9)
      }
      delayTicks = Int((latest / decision).rounded(.up))
      meanTicks = (written + frame / 2 + delay) / period
      earliestPeriods = (written + delay) / decision
    }
  }

  /// From the tick's deadline to the end of the transfer that carries the joint's output.
  private static func writtenNanoseconds(_ joint: Int, board: Board, plan: BusPlan) -> Double {
    var end = HandDesign.actuatingPhase * Double(plan.periodNanoseconds)
    let wiring = board.joints[joint].actuator
    guard let bus = board.pwmChips[wiring.pwmChip].bus else { return end }
    for slot in plan.schedules[bus].pwm {
      let spec = board.buses[bus]
      let bits = TransferBits.writeBlock(4 * slot.channelCount)
      end += Double(bits) * 1e9 / Double(spec.clockHertz) + Double(spec.transferOverheadNanoseconds)
      if slot.chip == wiring.pwmChip && slot.joints.contains(joint) { break }
    }
    return end
  }
}

extension PWMChipSpec {
  /// Pulses a second that really come out: a PCA9685 can only divide its oscillator (data sheet, §7.3.5).
  package var trueFrequencyHertz: Double {
    guard case .pca9685(_, _, let oscillator) = chip else { return frequencyHertz }
    return PCA9685Facts.frequencyHertz(
      oscillatorHertz: oscillator,
      prescale: PCA9685Facts.prescale(oscillatorHertz: oscillator, frequencyHertz: frequencyHertz))
  }
}
