import Devices
import Realtime

/// Why a hand did not start.
package enum StartError: Error, CustomStringConvertible {
  /// Names of the buses whose cycle takes more than `BusPlan.largestLoad` of the period.
  case overloadedBuses([String])
  case devices([DeviceError])
  /// A thread could not be started.
  case thread(name: String, RealtimeThreadError)
  /// Real-time operation was asked for; each text is one thing that it lacks.
  case notRealtime([String])
  /// The hand's own self-test, over the first ticks, failed; the joint it names, if any.
  case selfTest(joint: String?)

  package var description: String {
    switch self {
    case .overloadedBuses(let buses):
      "the board's rate does not fit its buses (\(buses.joined(separator: ", "))); "
        + "motorhand check shows the arithmetic"
    case .devices(let failures):
      "self-test: \(failures.count) device\(failures.count == 1 ? "" : "s") failed:\n  "
        + failures.map(\.description).joined(separator: "\n  ")
    case .thread(let name, let error): "thread \(name) could not be started: \(error)"
    case .notRealtime(let reasons):
      "real-time operation is required but not possible:\n  " + reasons.joined(separator: "\n  ")
    case .selfTest(let joint):
      "self-test: " + (joint.map { "joint \($0)" } ?? "the hand")
        + " gave no fresh samples; motorhand check shows what is wired to which bus"
    }
  }
}
