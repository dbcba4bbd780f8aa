import CRealtime
import Glibc

/// Memory that has a file descriptor and no name in any file system (memfd_create(2)), mapped into this
/// process. It lives as long as anybody holds a descriptor of it, so it can outlive the process that wrote
/// it. Unmapped and closed on deinit.
package final class MemoryFile: @unchecked Sendable {
  // Safety of @unchecked: nothing here changes after init; who writes the memory is the owner's to order.

  private let file: Descriptor
  /// First byte of the mapping.
  package let start: UnsafeMutableRawPointer
  /// Length of file and mapping.
  package let byteCount: Int

  /// For whoever is to keep the memory. Open as long as this object lives.
  package var descriptor: Int32 { file.value }

  /// Zeroed memory. Every page is resident and mapped when this returns: writing to it causes no page fault.
  /// - Parameter name: shown in /proc/PID/maps, for people.
  package convenience init(name: String, byteCount: Int) throws(MemoryFileError) {
    let file: Descriptor
    do throws(Errno) { file = try Descriptor(result: crealtime_memory_file(name)) } catch {
      throw .system(operation: "memfd_create", error)
    }
    guard ftruncate(file.value, off_t(byteCount)) == 0 else {
      throw .system(operation: "ftruncate", .latest)
    }
    try self.init(file, byteCount: byteCount, isWritable: true)
    // By hand: MAP_POPULATE does nothing in a process that locks its memory on fault (`MemoryLock`).
    for offset in stride(from: 0, to: byteCount, by: Int(getpagesize())) { crealtime_touch(start + offset) }
  }

  /// What another process wrote, for reading only.
  /// - Parameter largestByteCount: a bigger file is refused, so that a wrong descriptor costs no memory.
  package convenience init(
    reading file: consuming Descriptor, largestByteCount: Int
  ) throws(MemoryFileError) {
    var status = stat()
    guard fstat(file.value, &status) == 0 else { throw .system(operation: "fstat", .latest) }
    guard status.st_mode & S_IFMT == S_IFREG, (1...largestByteCount).contains(Int(status.st_size)) else {
      throw .unexpected(byteCount: Int(status.st_size), limit: largestByteCount)
    }
    try self.init(file, byteCount: Int(status.st_size), isWritable: false)
  }

  private init(
    _ file: consuming Descriptor, byteCount: Int, isWritable: Bool
  ) throws(MemoryFileError) {
    guard let start = crealtime_map_shared(file.value, byteCount, isWritable ? 1 : 0) else {
      throw .system(operation: "mmap", .latest)
    }
    self.file = file
    self.start = start
    self.byteCount = byteCount
  }

  deinit { munmap(start, byteCount) }
}

/// Why memory could not be had or read.
package enum MemoryFileError: Error, Equatable, CustomStringConvertible {
  /// A system call failed; `operation` is its name.
  case system(operation: String, Errno)
  /// A descriptor that is no regular file, or one of a size that is not 1 to `limit` bytes.
  case unexpected(byteCount: Int, limit: Int)

  package var description: String {
    switch self {
    case .system(let operation, let cause): "\(operation) failed: \(cause)"
    case .unexpected(let byteCount, let limit):
      "found \(byteCount) bytes, expected memory of 1 to \(limit) bytes"
    }
  }
}
