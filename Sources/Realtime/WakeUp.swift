import CRealtime
import Glibc

/// Ends a thread's wait in `poll`, from any other thread: an event descriptor of the kernel.
package final class WakeUp: Sendable {
  private let event: Descriptor?

  /// Without a descriptor (none was left, `errno` says why) waits end by their time-out, and nothing else is
  /// lost: poll(2) passes over negative descriptors.
  package init() { event = try? Descriptor(result: crealtime_event()) }

  /// Readable once it was rung, until `clear`; negative when there is none.
  package var descriptor: Int32 {
    switch event {
    case .some(let event): event.value
    case nil: -1
    }
  }

  /// The next wait, or the one in progress, ends at once.
  package func ring() {
    var one: UInt64 = 1
    _ = write(descriptor, &one, MemoryLayout<UInt64>.size)
  }

  /// Takes the rings so far.
  package func clear() {
    var rings: UInt64 = 0
    _ = read(descriptor, &rings, MemoryLayout<UInt64>.size)
  }

  /// Waits for a ring, for the time-out, or for what `events` names on `socket`.
  package func wait(milliseconds: Int32, socket: Int32 = -1, events: Int32 = 0) {
    var polled = [
      pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0),
      pollfd(fd: socket, events: Int16(events), revents: 0),
    ]
    guard poll(&polled, nfds_t(polled.count), milliseconds) > 0, polled[0].revents != 0 else { return }
    clear()
  }
}
