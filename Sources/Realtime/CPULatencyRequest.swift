import CRealtime
import Glibc

/// Why the CPUs could not be kept out of deep idle states.
package enum CPULatencyError: Error, Equatable, Sendable {
  /// `/dev/cpu_dma_latency` could not be opened: ENOENT without kernel support, EACCES without the right.
  case open(errno: Int32)
  /// The kernel refused the value.
  case write(errno: Int32)
}

extension CPULatencyError: CustomStringConvertible {
  package var description: String {
    switch self {
    case .open(let errno), .write(let errno):
      "\(CPULatencyRequest.devicePath): \(String(cString: strerror(errno)))"
    }
  }
}

/// Keeps all CPUs out of idle states that take time to leave, for as long as the value lives.
///
/// The kernel honours a request as long as the file is open (kernel documentation, "PM Quality Of Service").
/// Without it a wake-up of a 1 kHz loop takes twice as long (docs/realtime.md).
package struct CPULatencyRequest: ~Copyable {
  package static let devicePath = "/dev/cpu_dma_latency"
  private let descriptor: Int32

  /// - Parameter microseconds: the longest exit latency allowed; 0 means polling idle.
  package init(microseconds: Int32 = 0, path: String = devicePath) throws(CPULatencyError) {
    let opened = crealtime_open(path, O_WRONLY | O_CLOEXEC)
    guard opened >= 0 else { throw .open(errno: errno) }
    var value = microseconds
    guard Glibc.write(opened, &value, MemoryLayout<Int32>.size) == MemoryLayout<Int32>.size else {
      let failure = errno
      close(opened)
      throw .write(errno: failure)
    }
    descriptor = opened
  }

  deinit { close(descriptor) }
}
