import HandFiles
import Foundation
import HandModel
import Realtime
import Recording
import Runtime
import Service

/// The black box's way through the service manager: stored once while the hand runs, saved as a file by the
/// next start after a crash, dropped by an orderly stop.
struct BlackBoxKeeper {
  static let name = "motorhand-blackbox"

  let manager: ServiceManager?
  let log: DaemonLog

  /// Saves what a run that crashed left with the service manager. The very first act of a start: whatever
  /// follows may fail.
  /// - Parameter directory: of the recordings; nil when nothing is to be recorded.
  func recover(into directory: String?) {
    guard let stored = StoredDescriptors.take(named: Self.name) else { return }
    defer { drop() }
    do {
      let memory = try MemoryFile(reading: stored, largestByteCount: BlackBox.largestFileBytes)
      guard let directory else {
        return log.report("the last run's black box is dropped: nothing is recorded", .blackBoxUnusable)
      }
      try save(memory, into: directory)
    } catch {
      log.report("the last run's black box cannot be saved: \(error)", .blackBoxUnusable)
    }
  }

  private func save(_ memory: MemoryFile, into directory: String) throws {
    do {
      let contents = try BlackBox.contents(of: memory)
      guard let last = contents.records.last else {
        return log.report("the last run's black box holds no tick", .blackBoxUnusable)
      }
      let identity = try HandIdentity(contents.identity, source: "the black box")
      let path = try BlackBoxFile.save(
        contents.records, identity: identity, checkpoint: contents.checkpoint, directory: directory)
      log.report(
        "the last run (\(contents.identity.runID)) ended without a whole recording in state "
          + "\(last.state.name) at tick \(last.sequence); its last \(contents.records.count) ticks: \(path)",
        .blackBoxSaved,
        tick: .init(runID: contents.identity.runID, sequence: last.sequence, fault: last.fault))
    } catch let error as BlackBoxError {
      let bytes = UnsafeRawBufferPointer(start: memory.start, count: memory.byteCount)
      let path = try BlackBoxFile.save(bytes, directory: directory)
      log.report("\(error); its bytes: \(path)", .blackBoxUnusable)
    }
  }

  /// Memory for this run's ticks, stored with the service manager; nil without one, or when that fails.
  /// - Parameter checkpointByteCount: of a state of its controller.
  func store(_ identity: HandIdentity, checkpointByteCount: Int) -> BlackBox? {
    guard let manager else { return nil }
    do throws(MemoryFileError) {
      let box = try BlackBox(identity: identity, checkpointByteCount: checkpointByteCount)
      // FDPOLL=0: nobody will ever hang up on memory.
      guard
        manager.notify(["FDSTORE=1", "FDNAME=\(Self.name)", "FDPOLL=0"], storing: box.descriptor)
      else {
        log.report("no black box: the service manager did not take it", .blackBoxUnusable)
        return nil
      }
      return box
    } catch {
      log.report("no black box: \(error)", .blackBoxUnusable)
      return nil
    }
  }

  /// Takes back whatever is stored: it was saved, or the run ended in order and its recording is whole.
  func drop() { manager?.notify(["FDSTOREREMOVE=1", "FDNAME=\(Self.name)"]) }
}
