import Glibc

/// An open file descriptor with one owner.
package struct Descriptor: ~Copyable, Sendable {
  /// Negative when opening failed.
  package let value: Int32
  package init(_ value: Int32) { self.value = value }
  deinit { if value >= 0 { close(value) } }
}
