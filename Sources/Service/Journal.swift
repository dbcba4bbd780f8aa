import Glibc
import Realtime
import Synchronization

/// The system's journal, written in its native protocol: one datagram of fields a message. Any thread; never
/// waits.
package final class Journal: Sendable {
  /// Where systemd's journal takes messages in its native protocol.
  package static let socketPath = "/run/systemd/journal/socket"

  private let socket: Descriptor
  private let address: UnixDatagramAddress
  private let failed = Atomic<UInt64>(0)

  /// Nil when the address cannot be one, or no socket can be made.
  package init?(socketPath: String = socketPath) {
    guard let address = UnixDatagramAddress(socketPath) else { return nil }
    guard let socket = address.makeSocket() else { return nil }
    self.address = address
    self.socket = socket
  }

  /// The journal, if standard error goes there: JOURNAL_STREAM of systemd.exec(5) names its device and inode.
  /// Only then are messages as fields wanted; a daemon started by hand talks to its terminal.
  package static func ofStandardError(
    environment: (String) -> String? = ServiceEnvironment.variable, socketPath: String = socketPath
  ) -> Journal? {
    var status = stat()
    guard let stream = environment("JOURNAL_STREAM"), fstat(STDERR_FILENO, &status) == 0,
      stream == "\(status.st_dev):\(status.st_ino)"
    else { return nil }
    return Journal(socketPath: socketPath)
  }

  /// Messages that the journal did not take.
  package var failures: UInt64 { failed.load(ordering: .relaxed) }

  /// Sends one message; false, and counted, when the journal did not take it.
  /// - Parameter fields: names of A-Z, 0-9 and `_` with their values.
  package func send(_ fields: [(name: String, value: String)]) -> Bool {
    if address.send(Self.encode(fields), from: socket.value) { return true }
    failed.wrappingAdd(1, ordering: .relaxed)
    return false
  }

  /// Journal's native protocol: `NAME=value`, or for a value of several lines its name, its length as 64 bits
  /// little-endian, and its bytes.
  static func encode(_ fields: [(name: String, value: String)]) -> [UInt8] {
    let newline = UInt8(ascii: "\n")
    var bytes: [UInt8] = []
    for (name, value) in fields {
      bytes += name.utf8
      if value.utf8.contains(newline) {
        bytes.append(newline)
        withUnsafeBytes(of: UInt64(value.utf8.count).littleEndian) { bytes += $0 }
      } else {
        bytes.append(UInt8(ascii: "="))
      }
      bytes += value.utf8
      bytes.append(newline)
    }
    return bytes
  }
}
