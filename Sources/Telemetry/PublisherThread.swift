import CMosquitto
import Glibc

/// A named POSIX thread of its own, with all signals blocked: signals belong to the daemon's control
/// thread, and a broken socket must come back as an error, not as SIGPIPE.
enum PublisherThread {
  /// The library, OpenSSL's handshake and the encoders need less than a tenth of it; the default of 8 MiB
  /// would be locked into memory by the daemon's `mlockall`.
  static let stackBytes = 512 * 1024

  private final class Body {
    let name: String
    let run: () -> Void
    init(name: String, run: @escaping () -> Void) {
      self.name = name
      self.run = run
    }
  }

  /// Starts a joinable thread. Nil with errno's number when the system refuses.
  static func start(name: String, _ run: @escaping @Sendable () -> Void) -> Result<pthread_t, ThreadError> {
    var attributes = pthread_attr_t()
    pthread_attr_init(&attributes)
    defer { pthread_attr_destroy(&attributes) }
    pthread_attr_setstacksize(&attributes, stackBytes)
    let body = Unmanaged.passRetained(Body(name: name, run: run))
    var thread = pthread_t()
    // Blocked here and inherited: no moment in which the new thread could take a signal.
    var all = sigset_t()
    var before = sigset_t()
    sigfillset(&all)
    pthread_sigmask(SIG_SETMASK, &all, &before)
    defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
    let code = pthread_create(
      &thread, &attributes,
      { argument in
        let body = Unmanaged<Body>.fromOpaque(argument!).takeRetainedValue()
        PublisherThread.nameCurrent(body.name)
        body.run()
        return nil
      }, body.toOpaque())
    guard code == 0 else {
      body.release()
      return .failure(ThreadError(errno: code))
    }
    return .success(thread)
  }

  /// Names the calling thread for `top` and `gdb`; without /proc it goes unnamed. The kernel cuts at 15 bytes.
  private static func nameCurrent(_ name: String) {
    let file = open("/proc/thread-self/comm", O_WRONLY | O_CLOEXEC)
    guard file >= 0 else { return }
    _ = write(file, name, name.utf8.count)
    close(file)
  }

  struct ThreadError: Error, Equatable {
    var errno: Int32
  }
}

/// Clocks of this module: real time, whatever clock the runtime ticks by, because the broker lives in it.
enum PublisherClock {
  static func monotonic() -> Int64 { nanoseconds(CLOCK_MONOTONIC) }
  static func wall() -> Int64 { nanoseconds(CLOCK_REALTIME) }

  private static func nanoseconds(_ clock: clockid_t) -> Int64 {
    var time = timespec()
    clock_gettime(clock, &time)
    return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
  }

  /// Whether the kernel's wall clock is disciplined (NTP, PTP).
  static func isSynchronised() -> Bool {
    var state = timex()
    let code = adjtimex(&state)
    return code >= 0 && code != TIME_ERROR
  }
}
