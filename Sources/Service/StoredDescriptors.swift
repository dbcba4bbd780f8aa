import Glibc
import Realtime

/// Descriptors that the service manager kept for this service from its last run (sd_listen_fds(3)).
package enum StoredDescriptors {
  /// The first descriptor passed, by the protocol.
  private static let first: Int32 = 3
  /// Far more than the unit lets the manager store.
  private static let largestCount: Int32 = 64

  /// Takes over what was passed to this process. Call once, before anything else opens descriptors.
  ///
  /// Each gets FD_CLOEXEC; those without the wanted name are closed, the first with it is returned.
  package static func take(
    named wanted: String, environment: (String) -> String? = ServiceEnvironment.variable
  ) -> Descriptor? {
    guard let pid = environment("LISTEN_PID"), Int32(pid) == getpid(),
      let count = environment("LISTEN_FDS").flatMap({ Int32($0) }), (1...largestCount).contains(count)
    else { return nil }
    let names = (environment("LISTEN_FDNAMES") ?? "").split(separator: ":", omittingEmptySubsequences: false)
    var found: Int32?
    for index in 0..<count {
      let descriptor = first + index
      let name = Int(index) < names.count ? String(names[Int(index)]) : ""
      if name == wanted && found == nil && fcntl(descriptor, F_SETFD, FD_CLOEXEC) == 0 {
        found = descriptor
      } else {
        _ = Descriptor(owning: descriptor)
      }
    }
    guard let found else { return nil }
    return Descriptor(owning: found)
  }
}
