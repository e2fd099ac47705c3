/** What the router is given instead of a passed request's URL: it would decode what must pass as it is. Also for those who refuse. */
export const PROXY_ROUTE = '/proxy/*';
