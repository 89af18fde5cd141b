// The configuration's schema: every key, its type, its default and what it is for (design.md §8).
import { hostname } from 'node:os';
import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';
import { z } from 'zod';
import { checkSchemas } from '../authentication/schemas.ts';
import { policySchema } from '../policy/schema.ts';
import { type Destination, parseDestination } from '../relay/destination.ts';
