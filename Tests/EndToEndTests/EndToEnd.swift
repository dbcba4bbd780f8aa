import Testing

/// Tests of the built programs as a user runs them: real daemon, broker, sockets, files and signals.
///
/// One after another: each starts a daemon with a real-time loop, and two of them on two processors would
/// measure each other.
@Suite("End to end", .serialized)
enum EndToEnd {
  static let needsBroker: Comment = "needs mosquitto, mosquitto_pub and mosquitto_sub"
  static let needsMount: Comment = "needs root with CAP_SYS_ADMIN to mount a small tmpfs"
}
