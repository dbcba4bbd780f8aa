import Glibc

/// Why the CPUs could not be kept out of deep idle states.
package enum CPULatencyError: Error, Equatable, Sendable {
  /// `/dev/cpu_dma_latency` could not be opened: ENOENT without kernel support, EACCES without the right.
  case open(Errno)
  /// The kernel refused the value.
  case write(Errno)
}

extension CPULatencyError: CustomStringConvertible {
  package var description: String {
    switch self {
    case .open(let cause), .write(let cause): "\(CPULatencyRequest.devicePath): \(cause)"
    }
  }
}

/// Keeps all CPUs out of idle states that take time to leave. The request lasts as long as the value lives.
///
/// The kernel honours a request as long as the file is open (kernel documentation, "PM Quality Of Service").
/// Without it a wake-up of a 1 kHz loop takes twice as long (docs/realtime.md).
package struct CPULatencyRequest: ~Copyable {
  /// The kernel's file for such requests.
  package static let devicePath = "/dev/cpu_dma_latency"
  private let file: Descriptor

  /// - Parameter microseconds: the longest exit latency allowed; 0 means polling idle.
  package init(microseconds: Int32 = 0, path: String = devicePath) throws(CPULatencyError) {
    let opened: Descriptor
    do throws(Errno) { opened = try Descriptor(opening: path, .writeOnly) } catch { throw .open(error) }
    var value = microseconds
    guard write(opened.value, &value, MemoryLayout<Int32>.size) == MemoryLayout<Int32>.size else {
      throw .write(.latest)
    }
    file = opened
  }
}
