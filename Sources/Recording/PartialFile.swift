import Glibc
import Realtime

/// A new file that takes its name when it is whole: until then it has `.partial` behind it. What an
/// interrupted one has left there is written over; what another process is writing, and what is no such file,
/// is not.
final class PartialFile {
  /// Name of the file until it is whole.
  let partial: String
  /// The same file, opened for writing; empty.
  let file: Descriptor
  private let path: String
  private let sidecars: [String]
  private var isWhole = false

  /// - Parameters:
  ///   - path: of the file to be.
  ///   - magic: what such a file begins with.
  ///   - sidecars: what is put behind a name to have those of files that belong to it.
  /// - Throws: where the file or one that belongs to it exists already, or it cannot be made.
  init(_ path: String, magic: [UInt8], sidecars: [String] = []) throws(RecordingError) {
    for name in [path] + sidecars.map({ path + $0 }) where Self.exists(name) {
      throw .fileExists(path: name)
    }
    self.path = path
    self.sidecars = sidecars
    partial = path + ".partial"
    file = try Self.claim(partial, magic: magic)
    guard ftruncate(file.value, 0) == 0 else { throw .directory(path: partial, errno: errno) }
    for suffix in sidecars { unlink(partial + suffix) }
  }

  deinit {
    guard !isWhole else { return }
    for suffix in [""] + sidecars { unlink(partial + suffix) }
  }

  /// Gives the file its name.
  func finish() throws(RecordingError) {
    guard fsync(file.value) == 0 else { throw .output(errno: errno) }
    guard !Self.exists(path) else { throw .fileExists(path: path) }
    guard rename(partial, path) == 0 else { throw .directory(path: path, errno: errno) }
    isWhole = true
  }

  /// A link that leads nowhere is there too.
  private static func exists(_ path: String) -> Bool {
    var status = stat()
    return lstat(path, &status) == 0
  }

  /// Opens a leftover or makes the file, and keeps others from it.
  private static func claim(_ path: String, magic: [UInt8]) throws(RecordingError) -> Descriptor {
    // Not through a link, nor into a pipe, which would wait for its other end.
    let file: Descriptor
    do throws(Errno) {
      file = try Descriptor(
        opening: path, .readWrite, [.create, .noFollow, .nonBlocking], permissions: .init(rawValue: 0o640))
    } catch {
      throw .directory(path: path, errno: error.rawValue)
    }
    var (mine, named) = (stat(), stat())
    guard flock(file.value, LOCK_EX | LOCK_NB) == 0, fstat(file.value, &mine) == 0, lstat(path, &named) == 0,
      // Its owner may have given it its name between the two calls: then this is a whole file.
      (mine.st_dev, mine.st_ino) == (named.st_dev, named.st_ino),
      mine.st_mode & S_IFMT == S_IFREG, mine.st_nlink == 1
    else { throw .fileExists(path: path) }
    var beginning = [UInt8](repeating: 0, count: magic.count)
    let count = pread(file.value, &beginning, magic.count, 0)
    guard count == 0 || beginning == magic else { throw .fileExists(path: path) }
    return file
  }
}
