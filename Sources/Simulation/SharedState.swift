import Glibc

/// A value behind a lock: several bus threads look at one joint.
///
/// A POSIX mutex and not the standard library's `Mutex`: the thread sanitizer knows the former, while the
/// latter's library is not instrumented and every access would be reported as a race.
final class SharedState<Value>: @unchecked Sendable {
  // Safety of @unchecked: `value` is touched only between lock and unlock.
  private let lock: UnsafeMutablePointer<pthread_mutex_t>
  private var value: Value

  init(_ value: Value) {
    self.value = value
    lock = .allocate(capacity: 1)
    pthread_mutex_init(lock, nil)
  }

  deinit {
    pthread_mutex_destroy(lock)
    lock.deallocate()
  }

  func withLock<Result>(_ body: (inout Value) -> Result) -> Result {
    pthread_mutex_lock(lock)
    defer { pthread_mutex_unlock(lock) }
    return body(&value)
  }
}
