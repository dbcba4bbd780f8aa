import Glibc
import Realtime

/// The right to serve on a socket's path: a lock file beside it, held as long as this lives.
///
/// The lock, not the socket file, says whether a daemon lives: a file survives kill -9, a lock does not. Both
/// lie where others may write (/tmp, a folder that a cleaner looks after), so each file is known by its
/// inode.
package struct SocketLock: ~Copyable {
  /// What `stat` tells of one file among all of the machine.
  private struct Identity: Equatable {
    var device: dev_t
    var inode: ino_t

    init(_ status: stat) {
      device = status.st_dev
      inode = status.st_ino
    }

    /// Of what has this name itself, not of where a link leads.
    init?(path: String) {
      var status = stat()
      guard lstat(path, &status) == 0 else { return nil }
      self.init(status)
    }
  }

  private let path: String
  private let descriptor: Descriptor
  private let identity: Identity
  /// The socket that was bound; nil before.
  private var socket: Identity? = nil

  private var lockPath: String { path + ".lock" }

  private init(path: String, descriptor: consuming Descriptor, identity: Identity) {
    self.path = path
    self.descriptor = descriptor
    self.identity = identity
  }

  /// Takes the lock and removes the socket of a daemon that was killed.
  /// - Throws: `alreadyRunning` where a daemon holds it.
  package static func take(_ path: String) throws(SocketError) -> SocketLock {
    // O_NOFOLLOW: a link would create or lock a file of somebody's choice. O_NONBLOCK: what is no file blocks
    // nobody.
    let descriptor: Descriptor
    do throws(Errno) {
      descriptor = try Descriptor(
        opening: path + ".lock", .readWrite, [.create, .noFollow, .nonBlocking],
        permissions: [.ownerReadWrite, .groupReadWrite])
    } catch { throw .system(operation: openLock, path: path, error) }
    let identity = try lock(descriptor.value, path: path)
    try clear(path)
    return SocketLock(path: path, descriptor: descriptor, identity: identity)
  }

  private static let openLock = "open the lock beside it"

  private static func lock(_ descriptor: Int32, path: String) throws(SocketError) -> Identity {
    var status = stat()
    guard fstat(descriptor, &status) == 0 else {
      throw .system(operation: openLock, path: path, .latest)
    }
    guard status.st_mode & S_IFMT == S_IFREG else { throw .occupied(path: path + ".lock") }
    guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
      let cause = Errno.latest
      if cause == .wouldBlock { throw .alreadyRunning(path: path) }
      throw .system(operation: "lock", path: path, cause)
    }
    return Identity(status)
  }

  /// Makes the path free for a new socket.
  private static func clear(_ path: String) throws(SocketError) {
    var status = stat()
    guard lstat(path, &status) == 0 else { return }
    // The socket of a daemon that was killed goes; whatever else has that name is somebody's.
    guard status.st_mode & S_IFMT == S_IFSOCK else { throw .occupied(path: path) }
    // Its lock file may have been deleted under a daemon that lives.
    guard try !isServed(path) else { throw .alreadyRunning(path: path) }
    unlink(path)
  }

  /// Whether somebody listens on a socket.
  private static func isServed(_ path: String) throws(SocketError) -> Bool {
    let probe = try makeUnixSocket(path, Int32(SOCK_NONBLOCK.rawValue))
    let result = try withUnixAddress(path) { connect(probe.value, $0, $1) }
    // EAGAIN: its queue is full.
    return result == 0 || errno == EAGAIN
  }

  /// Remembers the socket that was just bound as this daemon's own.
  mutating func bound() { socket = Identity(path: path) }

  /// Why no client reaches this daemon any longer, or why another may take its place; nil while all is well.
  var loss: String? {
    if Identity(path: path) != socket {
      return "control socket \(path) was deleted or replaced: no client reaches it"
    }
    if Identity(path: lockPath) != identity { return "\(lockPath) was deleted or replaced" }
    return nil
  }

  /// Removes the socket unless it is another's. The lock itself ends with this value.
  func removeSocket() {
    if let socket, Identity(path: path) == socket { unlink(path) }
  }
}
