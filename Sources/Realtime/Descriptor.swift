import Glibc
import SystemPackage

/// An error number of the kernel or the C library: its names, and its text as description.
package typealias Errno = SystemPackage.Errno

extension Errno {
  /// Of the system call that has just failed.
  package static var latest: Errno { Errno(rawValue: errno) }
}

/// An open file descriptor with one owner, who closes it.
package struct Descriptor: ~Copyable, Sendable {
  /// For system calls; valid as long as the owner lives.
  package let value: Int32

  /// Takes over an open descriptor.
  package init(owning value: Int32) { self.value = value }

  /// - Parameter result: of a system call that makes a descriptor: below zero with `errno` set when it
  ///   failed.
  package init(result: Int32) throws(Errno) {
    guard result >= 0 else { throw .latest }
    value = result
  }

  /// Opens a file; a program that this process starts does not get it.
  /// - Parameter permissions: of a file that is created.
  package init(
    opening path: String, _ mode: FileDescriptor.AccessMode, _ options: FileDescriptor.OpenOptions = [],
    permissions: FilePermissions = []
  ) throws(Errno) {
    try self.init(
      result: open(path, mode.rawValue | options.rawValue | O_CLOEXEC, permissions.rawValue))
  }

  deinit { try? FileDescriptor(rawValue: value).close() }
}
