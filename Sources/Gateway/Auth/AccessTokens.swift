import Foundation
import JWTKit
import Realtime

/// Access tokens: JWT (RFC 7519) signed with HMAC-SHA-256, checked as RFC 8725 asks. Good for minutes, so
/// that they need no look into the store; what outlasts them is the refresh token.
package struct AccessTokens: Sendable {
  /// A key as long as the digest: RFC 7518, section 3.2.
  package static let leastSecretBytes = 32
  /// How long one is good where nothing else is said.
  package static let defaultSeconds: Int64 = 900
  static let issuer = "motorhand-gateway"
  static let audience = "motorhand"
  /// Longer ones are not looked at: ours have some 400 bytes and the names of hands.
  static let longestBytes = 8192
  /// Clocks of replicas may differ by so much.
  private static let leewaySeconds: Int64 = 5

  /// Why there is no identity in a token.
  package enum Refusal: Error, Equatable {
    /// It was good once.
    case expired
    /// It is none of ours; why is for the log.
    case invalid(String)
  }

  /// The secret is too short.
  package struct WeakSecret: Error, Equatable, CustomStringConvertible {
    var bytes: Int
    package var description: String {
      "the signing secret has \(bytes) bytes, expected at least \(leastSecretBytes)"
    }
  }

  private struct Claims: JWTPayload {
    var iss: IssuerClaim
    var aud: AudienceClaim
    var sub: SubjectClaim
    var exp: ExpirationClaim
    var nbf: NotBeforeClaim
    var iat: IssuedAtClaim
    var jti: IDClaim
    var id: Int64
    var role: String
    var hands: [String]

    func verify(using algorithm: some JWTAlgorithm) throws {}
  }

  /// What a token says, once its signature was found good.
  private struct Known: Sendable {
    var identity: Identity
    var from: Timestamp
    var until: Timestamp
  }

  /// Tokens in use whose signatures are known to be good: checking one costs more than most answers.
  private static let mostKnown = 10_000

  private let keys: JWTKeyCollection
  private let known = Locked<[String: Known]>([:])
  /// How long a token is good.
  package let seconds: Int64

  /// - Parameter secret: at least 32 random bytes.
  package init(secret: [UInt8], seconds: Int64 = Self.defaultSeconds) async throws(WeakSecret) {
    guard secret.count >= Self.leastSecretBytes else { throw WeakSecret(bytes: secret.count) }
    keys = await JWTKeyCollection().add(hmac: HMACKey(from: secret), digestAlgorithm: .sha256)
    self.seconds = seconds
  }

  /// A token for somebody.
  func make(for identity: Identity, now: Timestamp) async throws -> String {
    let date = Date(timeIntervalSince1970: Double(now.microseconds / 1_000_000))
    return try await keys.sign(
      Claims(
        iss: IssuerClaim(value: Self.issuer), aud: AudienceClaim(value: Self.audience),
        sub: SubjectClaim(value: identity.username),
        exp: ExpirationClaim(value: date.addingTimeInterval(Double(seconds))),
        nbf: NotBeforeClaim(value: date),
        iat: IssuedAtClaim(value: date), jti: IDClaim(value: Secret.make()), id: identity.userID,
        role: identity.role.rawValue, hands: identity.hands))
  }

  /// Whom a token is of.
  /// - Returns: the identity, and until when the token is good.
  func read(_ token: String, now: Timestamp) async throws(Refusal) -> (Identity, until: Timestamp) {
    let found = self.known.withLock { $0[token] }
    let known = if let found { found } else { try await verify(token) }
    guard known.from <= now.adding(seconds: Self.leewaySeconds) else { throw .invalid("it is not good yet") }
    guard known.until > now else {
      self.known.withLock { $0[token] = nil }
      throw .expired
    }
    if found == nil {
      self.known.withLock { all in
        if all.count >= Self.mostKnown { all = all.filter { $0.value.until > now } }
        if all.count < Self.mostKnown { all[token] = known }
      }
    }
    return (known.identity, known.until)
  }

  private func verify(_ token: String) async throws(Refusal) -> Known {
    guard token.utf8.count <= Self.longestBytes else { throw .invalid("it is too long") }
    let claims: Claims
    do {
      try Self.checkHeader(token)
      claims = try await keys.verify(token, as: Claims.self)
    } catch let refusal as Refusal { throw refusal } catch { throw .invalid("\(error)") }
    guard claims.iss.value == Self.issuer, claims.aud.value == [Self.audience] else {
      throw .invalid("it is for another service")
    }
    guard let role = Role(rawValue: claims.role) else { throw .invalid("its role is \(claims.role)") }
    func time(_ date: Date) -> Timestamp {
      Timestamp(microseconds: Int64(min(max(date.timeIntervalSince1970 * 1e6, -9e15), 9e15)))
    }
    return Known(
      identity: Identity(username: claims.sub.value, userID: claims.id, role: role, hands: claims.hands),
      from: time(claims.nbf.value), until: time(claims.exp.value))
  }

  /// What the header may say is one thing: whatever else it offers (another algorithm, a key of its own,
  /// parts that must be understood) is refused before anything is done with it.
  private static func checkHeader(_ token: String) throws {
    let part = String(token.prefix { $0 != "." }).replacing("-", with: "+").replacing("_", with: "/")
    let padded = part + String(repeating: "=", count: (4 - part.count % 4) % 4)
    guard let data = Data(base64Encoded: padded),
      let keys = try? JSONSerialization.jsonObject(with: data) as? [String: Any],
      Set(keys.keys) == ["alg", "typ"], keys["alg"] as? String == "HS256", keys["typ"] as? String == "JWT"
    else { throw Refusal.invalid("its header is not one of ours") }
  }
}
