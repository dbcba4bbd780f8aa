import Glibc

/// Starts the recorder's thread: normal priority, small stack, no signals.
enum RecorderThread {
  /// The process locks its memory, so a default stack of 8 MiB would be 8 MiB of RAM. SQLite itself is
  /// built to run in stacks of a few tens of kilobytes.
  private static let stackBytes = 512 * 1024

  static func start(_ body: @escaping @Sendable () -> Void) throws(RecordingError) -> pthread_t {
    var attributes = pthread_attr_t()
    pthread_attr_init(&attributes)
    defer { pthread_attr_destroy(&attributes) }
    pthread_attr_setstacksize(&attributes, stackBytes)
    // Whoever starts the recorder may run at real-time priority, which a thread inherits by default.
    pthread_attr_setinheritsched(&attributes, Int32(PTHREAD_EXPLICIT_SCHED))
    pthread_attr_setschedpolicy(&attributes, SCHED_OTHER)
    // A new thread has its creator's signal mask: blocked here, no signal can slip in before it runs.
    var all = sigset_t()
    var previous = sigset_t()
    sigfillset(&all)
    pthread_sigmask(SIG_SETMASK, &all, &previous)
    defer { pthread_sigmask(SIG_SETMASK, &previous, nil) }

    let box = Unmanaged.passRetained(RecorderThreadBody(run: body))
    var thread = pthread_t()
    let code = pthread_create(&thread, &attributes, recorderThreadMain, box.toOpaque())
    if code != 0 {
      box.release()
      throw .thread(errno: code)
    }
    return thread
  }

  /// Names the calling thread for `ps -L` and `top -H`. The kernel's file is used because glibc's function is
  /// an extension that Swift does not import. Without a name the recorder works as well.
  fileprivate static func setName(_ name: StaticString) {
    let descriptor = open("/proc/thread-self/comm", O_WRONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return }
    _ = write(descriptor, name.utf8Start, name.utf8CodeUnitCount)
    close(descriptor)
  }
}

private final class RecorderThreadBody: Sendable {
  let run: @Sendable () -> Void
  init(run: @escaping @Sendable () -> Void) { self.run = run }
}

private func recorderThreadMain(_ argument: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
  guard let argument else { return nil }
  let body = Unmanaged<RecorderThreadBody>.fromOpaque(argument).takeRetainedValue()
  RecorderThread.setName("recorder")
  body.run()
  return nil
}
