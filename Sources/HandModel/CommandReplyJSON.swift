extension CommandReply {
  /// The reply as every interface sends it: `{"id":…,"result":"executed"}`, or `refused` or `unconfirmed` with its
  /// reason.
  package func replyJSON(id: String) -> String {
    let reason = reason.map { ",\"reason\":\(JSON.quoted($0))" } ?? ""
    return "{\"id\":\(JSON.quoted(id)),\"result\":\(JSON.quoted(word))\(reason)}"
  }
}
