/// What an orderly stop may take: the service manager kills what takes longer, in the middle of a commit.
package enum StopBudget {
  /// `TimeoutStopSec` of systemd/motorhandd.service.
  package static let unitSeconds = 5.0
  /// Recorder and publisher, side by side, whatever storage and broker do. What the unit leaves beyond is for
  /// the outputs (a hung I2C transfer holds its thread for up to 1 s, docs/hardware.md), for the control
  /// socket (half a second of a command) and for a busy machine.
  package static let consumerSeconds = 3.0
}
