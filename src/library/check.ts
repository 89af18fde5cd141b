// What the package exports as `postern`: the types for checks of one's own. There is nothing in it that runs.
export type {
  AddedField,
  BodyContext,
  Client,
  ClientClass,
  ConnectContext,
  EndOfHeadersContext,
  EndOfMessageContext,
  Finding,
  Found,
  HeaderContext,
  HeaderField,
  MailContext,
  MailExchange,
  Notes,
  Property,
  Proposal,
  RcptContext,
  Resolve,
  Result,
  ResultValue,
} from '../authentication/check.ts';
export type { CustomCheck } from '../authentication/custom.ts';
