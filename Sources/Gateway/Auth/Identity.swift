/// Who makes a request, and what it may do.
package struct Identity: Sendable, Equatable {
  /// The user's name.
  package var username: String
  /// The user's number in the store.
  package var userID: Int64
  /// The most that is allowed.
  package var role: Role
  /// Hands that are allowed by name; `*` is every hand.
  package var hands: [String]
  /// By a key: a program, which makes and ends no keys.
  package var isKey: Bool

  package init(username: String, userID: Int64, role: Role, hands: [String], isKey: Bool = false) {
    self.isKey = isKey
    self.username = username
    self.userID = userID
    self.role = role
    self.hands = hands
  }

  /// Every hand.
  static let everyHand = "*"

  /// Whether a hand is among those that are allowed.
  package func mayReach(hand: String) -> Bool { hands.contains(Self.everyHand) || hands.contains(hand) }
}
