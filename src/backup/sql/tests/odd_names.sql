--
-- PostgreSQL database dump
--

\restrict 2kvskuzq5aec8w8mGPA9PW1d3Ar2y8fwmn1pZT3OiR9um9taxdxKdSHYohj6PPP

-- Dumped from database version 15.18 (Debian 15.18-0+deb12u1)
-- Dumped by pg_dump version 15.18 (Debian 15.18-0+deb12u1)

SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

--
-- Name: Odd Schema; Type: SCHEMA; Schema: -; Owner: Bob O'x
--

CREATE SCHEMA "Odd Schema";


ALTER SCHEMA "Odd Schema" OWNER TO "Bob O'x";

--
-- Name: f(integer); Type: FUNCTION; Schema: public; Owner: postgres
--

CREATE FUNCTION public.f(x integer) RETURNS integer
    LANGUAGE plpgsql
    AS $_$ begin if x = 1 then return $$a$$::text::int; end if; -- COPY x FROM stdin;
return case when x>1 then 2 else 3 end; end $_$;


ALTER FUNCTION public.f(x integer) OWNER TO postgres;

--
-- Name: FUNCTION f(x integer); Type: COMMENT; Schema: public; Owner: postgres
--

COMMENT ON FUNCTION public.f(x integer) IS 'C:\';


--
-- Name: g(integer); Type: FUNCTION; Schema: public; Owner: postgres
--

CREATE FUNCTION public.g(x integer) RETURNS integer
    LANGUAGE sql
    BEGIN ATOMIC
 SELECT
         CASE
             WHEN (x > 1) THEN 2
             ELSE 3
         END AS "case";
 SELECT 4;
END;


ALTER FUNCTION public.g(x integer) OWNER TO postgres;

SET default_tablespace = '';

SET default_table_access_method = heap;

--
-- Name: log; Type: TABLE; Schema: public; Owner: postgres
--

CREATE TABLE public.log (
    a integer,
    t text
);


ALTER TABLE public.log OWNER TO postgres;

--
-- Name: p(); Type: PROCEDURE; Schema: public; Owner: postgres
--

CREATE PROCEDURE public.p()
    LANGUAGE sql
    BEGIN ATOMIC
 INSERT INTO public.log (a, t)
   VALUES (1, ';'::text);
END;


ALTER PROCEDURE public.p() OWNER TO postgres;

--
-- Name: t;a\b "c" 'd'; Type: TABLE; Schema: Odd Schema; Owner: we;ird \ "q"
--

CREATE TABLE "Odd Schema"."t;a\b ""c"" 'd'" (
    "c o;l" text,
    "ünï" integer,
    "from" integer
);


ALTER TABLE "Odd Schema"."t;a\b ""c"" 'd'" OWNER TO "we;ird \ ""q""";

--
-- Name: empty; Type: TABLE; Schema: public; Owner: postgres
--

CREATE TABLE public.empty (
    a integer
);


ALTER TABLE public.empty OWNER TO postgres;

--
-- Name: nocols; Type: TABLE; Schema: public; Owner: postgres
--

CREATE TABLE public.nocols (
);


ALTER TABLE public.nocols OWNER TO postgres;

--
-- Name: orders; Type: TABLE; Schema: public; Owner: alice
--

CREATE TABLE public.orders (
    id integer NOT NULL,
    note text,
    arr integer[]
);


ALTER TABLE public.orders OWNER TO alice;

--
-- Name: TABLE orders; Type: COMMENT; Schema: public; Owner: alice
--

COMMENT ON TABLE public.orders IS 'it''s "quoted" \ $$ -- /* ; 
second line \! ls';


--
-- Name: v; Type: VIEW; Schema: public; Owner: postgres
--

CREATE VIEW public.v AS
 SELECT orders.arr[1:2] AS a,
    orders.note
   FROM public.orders
  WHERE (orders.note ~ '^\d+\s'::text);


ALTER TABLE public.v OWNER TO postgres;

--
-- Data for Name: t;a\b "c" 'd'; Type: TABLE DATA; Schema: Odd Schema; Owner: we;ird \ "q"
--

COPY "Odd Schema"."t;a\b ""c"" 'd'" ("c o;l", "ünï", "from") FROM stdin;
\\x	1	2
\\\\.	3	4
\.


--
-- Data for Name: empty; Type: TABLE DATA; Schema: public; Owner: postgres
--

COPY public.empty (a) FROM stdin;
\.


--
-- Data for Name: log; Type: TABLE DATA; Schema: public; Owner: postgres
--

COPY public.log (a, t) FROM stdin;
\.


--
-- Data for Name: nocols; Type: TABLE DATA; Schema: public; Owner: postgres
--

COPY public.nocols  FROM stdin;


\.


--
-- Data for Name: orders; Type: TABLE DATA; Schema: public; Owner: alice
--

COPY public.orders (id, note, arr) FROM stdin;
1	\\N	\N
2	\\.	\N
3	a\tb\nc\\d	{1,2}
4	\\! touch /tmp/pwn	\N
5	\N	\N
6	\r\n	\N
7	ünï ; $$ ' " /* --	\N
\.


--
-- Name: orders orders_pkey; Type: CONSTRAINT; Schema: public; Owner: alice
--

ALTER TABLE ONLY public.orders
    ADD CONSTRAINT orders_pkey PRIMARY KEY (id);


--
-- Name: orders r; Type: RULE; Schema: public; Owner: alice
--

CREATE RULE r AS
    ON INSERT TO public.orders DO ( INSERT INTO public.log (a, t)
  VALUES (new.id, 'a;b'::text);
 INSERT INTO public.log (a, t)
  VALUES (0, '\!'::text);
);


--
-- Name: orders pol; Type: POLICY; Schema: public; Owner: alice
--

CREATE POLICY pol ON public.orders FOR SELECT TO alice, svc USING (((id > 0) OR (note = 'to x'::text)));


--
-- Name: TABLE log; Type: ACL; Schema: public; Owner: postgres
--

GRANT ALL ON TABLE public.log TO PUBLIC;
GRANT ALL ON TABLE public.log TO svc;


--
-- Name: TABLE orders; Type: ACL; Schema: public; Owner: alice
--

GRANT SELECT ON TABLE public.orders TO "Bob O'x" WITH GRANT OPTION;


--
-- Name: COLUMN orders.id; Type: ACL; Schema: public; Owner: alice
--

GRANT INSERT(id) ON TABLE public.orders TO "Bob O'x" WITH GRANT OPTION;


--
-- Name: COLUMN orders.note; Type: ACL; Schema: public; Owner: alice
--

GRANT INSERT(note) ON TABLE public.orders TO "Bob O'x" WITH GRANT OPTION;


--
-- Name: DEFAULT PRIVILEGES FOR TABLES; Type: DEFAULT ACL; Schema: public; Owner: alice
--

ALTER DEFAULT PRIVILEGES FOR ROLE alice IN SCHEMA public GRANT SELECT ON TABLES  TO svc;


--
-- PostgreSQL database dump complete
--

\unrestrict 2kvskuzq5aec8w8mGPA9PW1d3Ar2y8fwmn1pZT3OiR9um9taxdxKdSHYohj6PPP

