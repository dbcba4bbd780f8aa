import Glibc

/// A value behind a lock, for threads that may wait; never for the loop.
///
/// A POSIX mutex and not the standard library's `Mutex`: the thread sanitizer knows the former, while the
/// latter's library is not instrumented and every access would be reported as a race.
package final class Locked<Value>: @unchecked Sendable {
  // Safety of @unchecked: `value` is touched only between lock and unlock.
  private let lock: UnsafeMutablePointer<pthread_mutex_t>
  private var value: Value

  /// An unlocked `value`.
  package init(_ value: Value) {
    self.value = value
    lock = .allocate(capacity: 1)
    pthread_mutex_init(lock, nil)
  }

  deinit {
    pthread_mutex_destroy(lock)
    lock.deallocate()
  }

  /// Runs `body` while no other thread is inside; its calls must not nest.
  package func withLock<Result, Failure>(
    _ body: (inout Value) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    pthread_mutex_lock(lock)
    defer { pthread_mutex_unlock(lock) }
    return try body(&value)
  }
}
