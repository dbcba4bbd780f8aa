import Glibc
import Realtime

/// The service manager that started this process, spoken to in the protocol of sd_notify(3): one datagram of
/// `NAME=value` lines a message, to the socket that `NOTIFY_SOCKET` names. One thread at a time.
package final class ServiceManager {
  /// How long the manager waits for the next `WATCHDOG=1` before it ends the process; nil = no watchdog.
  package let watchdogNanoseconds: Int64?
  private let socket: Descriptor
  private let address: UnixDatagramAddress

  /// Nil when no service manager asked for messages, or its socket's name cannot be one.
  /// - Parameter environment: value of a variable; the process's own by default.
  package init?(environment: (String) -> String? = ServiceEnvironment.variable) {
    guard let name = environment("NOTIFY_SOCKET"), let address = UnixDatagramAddress(name) else { return nil }
    guard let socket = address.makeSocket() else { return nil }
    self.address = address
    self.socket = socket
    watchdogNanoseconds = Self.watchdog(environment)
  }

  /// The watchdog's limit, unless it is meant for another process (sd_watchdog_enabled(3)).
  private static func watchdog(_ environment: (String) -> String?) -> Int64? {
    guard let microseconds = environment("WATCHDOG_USEC").flatMap({ Int64($0) }),
      microseconds > 0, microseconds <= Int64.max / 1000
    else { return nil }
    if let pid = environment("WATCHDOG_PID"), Int32(pid) != getpid() { return nil }
    return microseconds * 1000
  }

  /// Sends one message; false when the manager did not take it. Never waits.
  /// - Parameters:
  ///   - lines: assignments such as `READY=1`, none with a line break in it.
  ///   - storing: a descriptor that goes along, for `FDSTORE=1`.
  @discardableResult
  package func notify(_ lines: [String], storing descriptor: Int32? = nil) -> Bool {
    address.send(Array(lines.joined(separator: "\n").utf8), from: socket.value, passing: descriptor)
  }
}

/// The environment that a service manager gives to what it starts.
package enum ServiceEnvironment {
  /// A variable of this process's environment; nil when it is not set or empty.
  package static func variable(_ name: String) -> String? {
    guard let value = getenv(name), value[0] != 0 else { return nil }
    return String(cString: value)
  }
}
