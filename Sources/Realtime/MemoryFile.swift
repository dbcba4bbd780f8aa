import CRealtime
import Glibc

/// Memory that has a file descriptor and no name in any file system (memfd_create(2)), mapped into this process.
/// It lives as long as anybody holds a descriptor of it, so it can outlive the process that wrote it. Unmapped and
/// closed on deinit.
package final class MemoryFile: @unchecked Sendable {
  // Safety of @unchecked: nothing here changes after init; who writes the memory is the owner's to order.

  package let descriptor: Int32
  package let start: UnsafeMutableRawPointer
  package let byteCount: Int

  /// Zeroed memory. Every page is there and mapped when this returns: writing it faults no more.
  /// - Parameter name: shown in /proc/PID/maps, for people.
  package convenience init(name: String, byteCount: Int) throws(MemoryFileError) {
    let descriptor = crealtime_memory_file(name)
    guard descriptor >= 0 else { throw .system(operation: "memfd_create", errno: errno) }
    guard ftruncate(descriptor, off_t(byteCount)) == 0 else {
      let reason = errno
      close(descriptor)
      throw .system(operation: "ftruncate", errno: reason)
    }
    try self.init(descriptor: descriptor, byteCount: byteCount, isWritable: true)
    // By hand: MAP_POPULATE does nothing in a process that locks its memory on fault (`MemoryLock`).
    for offset in stride(from: 0, to: byteCount, by: Int(getpagesize())) { crealtime_touch(start + offset) }
  }

  /// What another process wrote, for reading only. Takes the descriptor over, also on failure.
  /// - Parameter largestByteCount: a bigger file is refused, so that a wrong descriptor costs no memory.
  package convenience init(reading descriptor: Int32, largestByteCount: Int) throws(MemoryFileError) {
    var status = stat()
    guard fstat(descriptor, &status) == 0 else {
      let reason = errno
      close(descriptor)
      throw .system(operation: "fstat", errno: reason)
    }
    guard status.st_mode & S_IFMT == S_IFREG, (1...largestByteCount).contains(Int(status.st_size)) else {
      close(descriptor)
      throw .unexpected(byteCount: Int(status.st_size), limit: largestByteCount)
    }
    try self.init(descriptor: descriptor, byteCount: Int(status.st_size), isWritable: false)
  }

  private init(descriptor: Int32, byteCount: Int, isWritable: Bool) throws(MemoryFileError) {
    guard let start = crealtime_map_shared(descriptor, byteCount, isWritable ? 1 : 0) else {
      let reason = errno
      close(descriptor)
      throw .system(operation: "mmap", errno: reason)
    }
    self.descriptor = descriptor
    self.start = start
    self.byteCount = byteCount
  }

  deinit {
    munmap(start, byteCount)
    close(descriptor)
  }
}

/// Why memory could not be had or read.
package enum MemoryFileError: Error, Equatable, CustomStringConvertible {
  case system(operation: String, errno: Int32)
  case unexpected(byteCount: Int, limit: Int)

  package var description: String {
    switch self {
    case .system(let operation, let code): "\(operation) failed: \(String(cString: strerror(code)))"
    case .unexpected(let byteCount, let limit):
      "found \(byteCount) bytes, expected memory of 1 to \(limit) bytes"
    }
  }
}
