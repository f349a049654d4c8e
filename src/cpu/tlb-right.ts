/** What an entry of the TLB lets pass, as bits. */
export const TlbRight = {
  readSupervisor: 1,
  writeSupervisor: 2,
  executeSupervisor: 4,
  readUser: 8,
  writeUser: 16,
  executeUser: 32,
} as const;
