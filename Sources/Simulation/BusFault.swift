import HandModel
import Devices
import Realtime
import Synchronization

/// A fault of a simulated bus. A nil address means every address.
package enum BusFault: Sendable, Equatable {
  /// Nobody acknowledges.
  case nack(I2CAddress?)
  case arbitrationLoss
  /// The adapter gives up after `nanoseconds`.
  case hang(nanoseconds: Int64)
  /// An adapter error of no known class.
  case busError(I2CAddress?)
  /// A kernel driver owns the address.
  case addressClaimed(I2CAddress?)
  /// Blocks end before all their bytes have come.
  case shortRead(I2CAddress?)
  /// Data reads as zero without any error, as AS5600 boards were seen to do.
  case readsZero(I2CAddress?)
  /// Data reads with these bits inverted.
  case readsInverted(I2CAddress?, mask: UInt8)
}

/// The faults injected into one bus. Set from any thread, asked by the bus's.
final class InjectedFaults: Sendable {
  private struct Entry {
    var fault: BusFault
    var transfersLeft: Int
  }

  /// What a failed transfer reports and how long it takes; nil = the time of a refused address.
  struct Failure {
    var kind: I2CFailure
    var nanoseconds: Int64?
  }

  /// Which bits of each byte arrive as sent, and which arrive inverted; by default all arrive as sent.
  struct Falsification {
    var kept: UInt8 = 0xFF
    var inverted: UInt8 = 0

    func apply(_ byte: UInt8) -> UInt8 { byte & kept ^ inverted }
  }

  /// Keeps the cost of the healthy case at one load.
  private let count = Atomic(0)
  private let entries = Locked<[Entry]>([])

  var isEmpty: Bool { count.load(ordering: .acquiring) == 0 }

  func add(_ fault: BusFault, transfers: Int) {
    precondition(transfers > 0)
    entries.withLock {
      $0.append(Entry(fault: fault, transfersLeft: transfers))
      count.store($0.count, ordering: .releasing)
    }
  }

  func clear() {
    entries.withLock {
      $0.removeAll()
      count.store(0, ordering: .releasing)
    }
  }

  /// Whether a transfer to `address` fails, spending one transfer of the fault that makes it so.
  func failure(of address: I2CAddress) -> Failure? {
    if isEmpty { return nil }
    return spendFirst { fault in
      switch fault {
      case .nack(let target) where target == nil || target == address: Failure(kind: .nack)
      case .busError(let target) where target == nil || target == address: Failure(kind: .busError)
      case .addressClaimed(let target) where target == nil || target == address:
        Failure(kind: .addressClaimed, nanoseconds: 0)
      case .arbitrationLoss: Failure(kind: .arbitrationLost)
      case .hang(let nanoseconds): Failure(kind: .busFault, nanoseconds: nanoseconds)
      default: nil
      }
    }
  }

  /// Whether a block from `address` ends early, spending one transfer of the fault that makes it so.
  func endsEarly(_ address: I2CAddress) -> Bool {
    if isEmpty { return false }
    return spendFirst { fault in
      if case .shortRead(let target) = fault, target == nil || target == address { true } else { nil }
    } ?? false
  }

  /// What a read transfer from `address` does to its bytes, spending one transfer of the fault that does it.
  func falsification(of address: I2CAddress) -> Falsification {
    if isEmpty { return Falsification() }
    return spendFirst { fault in
      switch fault {
      case .readsZero(let target) where target == nil || target == address:
        Falsification(kept: 0)
      case .readsInverted(let target, let mask) where target == nil || target == address:
        Falsification(inverted: mask)
      default: nil
      }
    } ?? Falsification()
  }

  private func spendFirst<Effect>(_ effect: (BusFault) -> Effect?) -> Effect? {
    entries.withLock { entries in
      for index in entries.indices {
        guard let result = effect(entries[index].fault) else { continue }
        entries[index].transfersLeft -= 1
        if entries[index].transfersLeft == 0 { entries.remove(at: index) }
        count.store(entries.count, ordering: .releasing)
        return result
      }
      return nil
    }
  }
}
