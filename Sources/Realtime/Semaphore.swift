import Glibc

/// A counting semaphore for threads that wait for work; never for the loop.
package final class Semaphore: @unchecked Sendable {
  // Safety of @unchecked: POSIX semaphores are made for any thread.
  private let semaphore: UnsafeMutablePointer<sem_t>

  package init() {
    semaphore = .allocate(capacity: 1)
    sem_init(semaphore, 0, 0)
  }

  deinit {
    sem_destroy(semaphore)
    semaphore.deallocate()
  }

  /// Lets one waiter go on, or the next to come.
  package func signal() { sem_post(semaphore) }

  /// Waits for a signal and takes it.
  package func wait() {
    while sem_wait(semaphore) != 0 {}
  }
}
