import CMosquitto
import Glibc
import Realtime

/// Ends the wait of a thread for its socket, from any thread: an event descriptor of the kernel.
final class WakeUp: Sendable {
  /// Without one (no descriptor was left) waits end by their time-out, and nothing else is lost: poll(2) passes over
  /// negative descriptors.
  private let event = Descriptor(eventfd(0, Int32(EFD_CLOEXEC | EFD_NONBLOCK)))

  /// The next wait, or the one in progress, ends at once.
  func ring() {
    var one: UInt64 = 1
    _ = write(event.value, &one, MemoryLayout<UInt64>.size)
  }

  /// Waits for a ring, for the time-out, or for what `events` names on `socket`.
  func wait(milliseconds: Int32, socket: Int32 = -1, events: Int32 = 0) {
    var polled = [
      pollfd(fd: event.value, events: Int16(POLLIN), revents: 0),
      pollfd(fd: socket, events: Int16(events), revents: 0),
    ]
    guard poll(&polled, nfds_t(polled.count), milliseconds) > 0, polled[0].revents != 0 else { return }
    var rings: UInt64 = 0
    _ = read(event.value, &rings, MemoryLayout<UInt64>.size)
  }
}
