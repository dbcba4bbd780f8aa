/// What a process with a real-time loop holds for its whole life: locked memory, a heap that keeps its
/// pages, and CPUs kept out of deep idle states. Released on deinit.
///
/// The daemon and the bench prepare with this same type, so that the bench measures the daemon's loop.
package struct RealtimeProcess: ~Copyable {
  /// 4 MiB: several times what the threads that run beside the loop allocate in steady state.
  package static let defaultHeapBytes = 4 << 20

  private let memoryLock: MemoryLock?
  private let latencyRequest: CPULatencyRequest?
  /// Why the memory is not locked; nil when it is.
  package let memoryLockError: MemoryLockError?
  /// Why deep idle states remain; nil when they do not.
  package let cpuLatencyError: CPULatencyError?

  /// Takes what it is allowed to and keeps the reasons of the rest. Call before other threads start.
  package init(heapBytes: Int = defaultHeapBytes) {
    do throws(MemoryLockError) {
      memoryLock = try MemoryLock()
      memoryLockError = nil
    } catch {
      memoryLock = nil
      memoryLockError = error
    }
    do throws(CPULatencyError) {
      latencyRequest = try CPULatencyRequest()
      cpuLatencyError = nil
    } catch {
      latencyRequest = nil
      cpuLatencyError = error
    }
    MemoryLock.keepHeap(bytes: heapBytes)
  }

  /// Whether everything was granted.
  package var isComplete: Bool { memoryLockError == nil && cpuLatencyError == nil }
}
